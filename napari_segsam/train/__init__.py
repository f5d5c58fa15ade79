"""Training and evaluation: data set, prompt simulation, losses, loop."""
