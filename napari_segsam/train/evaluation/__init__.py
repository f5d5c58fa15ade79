"""Measure a model on pictures with known masks, through the same code that answers a click."""
