"""Data set, losses, loop, evaluation."""
