"""The gateway: REST in front of the training service."""
