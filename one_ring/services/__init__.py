"""What a Python program uses to work with training jobs."""
