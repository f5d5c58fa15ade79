"""Pictures and masks to learn from: data sets in the SA-Med2D layout, and procedural ones."""
