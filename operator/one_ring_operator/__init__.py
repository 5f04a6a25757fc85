"""The operator: turns TrainingJobs into Kubernetes Jobs, and what becomes of them into status."""
