"""napari-segsam: click an organ, see its mask, its name, and what else the model sees on the slice."""

__version__ = "0.1.0"
