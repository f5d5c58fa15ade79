"""The journal: every step on the disk as it is done, and the way back from there."""
