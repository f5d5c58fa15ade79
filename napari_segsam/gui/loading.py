"""Load a model inside napari's process, on the inference thread."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_segsam.engine.protocols import Predictor
from napari_segsam.io.registry import locate

_MAPPED_FILES = Path("/proc/self/maps")


def load_model(model: str, device: str) -> Predictor:
    """Find, verify and load a model; imports torch, so never on the GUI thread.

    Args:
        model: a registry name, or the path of a weights file.
        device: ``auto``, ``cpu`` or ``cuda``.
    """
    keep_triton_from_mesa()
    from napari_segsam.engine.predictor import load_predictor

    return load_predictor(locate(model), device)


def keep_triton_from_mesa(mapped_files: Path = _MAPPED_FILES) -> bool:
    """Whether torch must do without Triton here, and sees to it.

    Importing torch imports Triton where it is installed, and Triton brings an LLVM of its own. In a process where Mesa
    (the OpenGL of machines without a vendor's driver) has loaded LLVM already, that ends in a segmentation fault. Torch
    takes a missing Triton in its stride, and we compile nothing with it. (The clash of symbols: tensorflow#124205.)
    """
    if "triton" in sys.modules or not mapped_files.exists() or "libLLVM" not in mapped_files.read_text():
        return False
    sys.modules["triton"] = None  # type: ignore[assignment]  # Python's own way to make an import raise ImportError
    return True
