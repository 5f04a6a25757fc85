"""The trainer: runs on a laptop, and in the trainer image."""
