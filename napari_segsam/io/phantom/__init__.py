"""The built-in sample: a torso painted by rule."""
