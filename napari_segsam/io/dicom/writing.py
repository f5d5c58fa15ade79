"""Data sets to files."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from napari_segsam.io.dicom.damage import quiet


def write_data_set(path: Path, ds: Dataset) -> None:
    """Write a DICOM file.

    Raises:
        OSError: as the system raised it. pydicom puts what is raised within an element into an error of the same class
            that has only a text (``pydicom.tag.tag_in_exception``), and with it the number by which one knows a full
            disk would be lost.
    """
    with quiet():
        try:
            pydicom.dcmwrite(path, ds, enforce_file_format=True)
        except OSError as error:
            raise _as_raised(error) from error


def _as_raised(error: OSError) -> OSError:
    """The innermost of the errors that were made of one another."""
    cause = error.__cause__
    return _as_raised(cause) if error.errno is None and isinstance(cause, OSError) else error
