"""Files to core and back: formats, models on disk and on the hub. No torch, no Qt."""
