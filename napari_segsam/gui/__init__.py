"""The only Qt and napari: dock, layers, readers and writer."""
