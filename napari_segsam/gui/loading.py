"""Load a model inside napari's process, on the inference thread."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_segsam.core.terminology import ClassCard
from napari_segsam.engine.protocols import Predictor
from napari_segsam.io.registry import locate

_MAPPED_FILES = Path("/proc/self/maps")


def load_model(model: str, device: str) -> Predictor:
    """Find, verify and load a model, with the person's own classes; imports torch, so never on the GUI thread.

    Args:
        model: a registry name, or the path of a weights file.
        device: ``auto``, ``cpu`` or ``cuda``.
    """
    keep_triton_from_mesa()
    from napari_segsam.engine.predictor import load_predictor
    from napari_segsam.train.own_classes import with_own_classes

    return load_predictor(with_own_classes(locate(model)), device)


def learn_class(model: str, card: ClassCard) -> None:
    """Keep a new class and try it on a model, so that the next :func:`load_model` has it; never on the GUI thread.

    Raises:
        SegsamError: this model will not name it; says why.
    """
    keep_triton_from_mesa()
    from napari_segsam.train.own_classes import learn

    learn(locate(model), card)


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
