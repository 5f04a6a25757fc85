"""A real single-node Kubernetes cluster in namespaces of its own; standard library only, to run before any venv."""
