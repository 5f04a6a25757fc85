"""One Ring Training: fine-tuning jobs on your own Kubernetes cluster."""

__version__ = "0.1.0"
