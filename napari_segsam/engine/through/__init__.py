"""Through the slices: carry an object on, fill between its slices, tidy it."""
