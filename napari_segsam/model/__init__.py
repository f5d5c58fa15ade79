"""SEG-SAM in torch; imports nothing else of this package."""
