"""``python -m napari_segsam.cli`` = ``segsam``."""

from napari_segsam.cli.app import main

main()
