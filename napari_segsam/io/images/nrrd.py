"""NRRD and MetaImage scans, on exactly the affine that the file's text holds.

They do not go through ITK 5.4: it takes packed voxels of a MetaImage without CompressedDataSize for whatever was in
memory, leaves out a MetaImage's intensity function, knows no bzip2, and unpacks all before anyone can say how much.
"""

from __future__ import annotations

from pathlib import Path

from napari_segsam.io.images.layout import Layout
from napari_segsam.io.images.meta_header import meta_layout
from napari_segsam.io.images.nrrd_header import nrrd_layout


def text_layout(path: Path) -> Layout:
    """What the header of an NRRD or MetaImage file says, whichever it is.

    Raises:
        UnreadableInputError: it is neither, or damaged.
    """
    with path.open("rb") as file:
        is_nrrd = file.read(4) == b"NRRD"
    return nrrd_layout(path) if is_nrrd else meta_layout(path)
