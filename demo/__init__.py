"""`make demo`: a model fine-tuned on a real cluster, from nothing to a sentence written with the adapter."""
