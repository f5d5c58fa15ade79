"""Load a model inside napari's process, on the inference thread."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_segsam.core.errors import BadCheckpointError, SegsamError
from napari_segsam.core.terminology import ClassCard
from napari_segsam.engine.protocols import BoxDetector, Predictor
from napari_segsam.io.class_cards import keep_own
from napari_segsam.io.model_entry import ModelEntry
from napari_segsam.io.registry import resolve, take

_MAPPED_FILES = Path("/proc/self/maps")


def load_model(model: str, device: str) -> Predictor:
    """Load a model that can learn, with the person's own classes, verified; imports torch, so never on the GUI thread.

    Args:
        model: what a person chose, see :class:`napari_segsam.core.model_choice.ModelChoice`.
        device: ``auto``, ``cpu`` or ``cuda``.
    """
    keep_triton_from_mesa()
    from napari_segsam.engine import loading
    from napari_segsam.train.learning import LearningPredictor
    from napari_segsam.train.own_classes import with_own_classes

    found = resolve(model)
    path = with_own_classes(found.path)
    return LearningPredictor(loading.load_model(path, device, found.name, words=found.words, base=found.base))


def load_detector(path: Path) -> BoxDetector:
    """A detector from its file; imports torch, so never on the GUI thread.

    Raises:
        SegsamError: no detector, or what runs it is not installed; says what to do.
    """
    keep_triton_from_mesa()
    from napari_segsam.engine.zoo import slice_detector

    return slice_detector.load_detector(path)


def take_model(entry: ModelEntry, file: Path) -> Path:
    """Copy a model's file that a person fetched to where it is looked for; never on the GUI thread.

    Raises:
        SegsamError: not that model's file, or no room for it.
    """
    keep_triton_from_mesa()
    from napari_segsam.model.zoo.accounts import ModelFileError
    from napari_segsam.model.zoo.loading import identify

    try:
        identify(file, entry.family)
    except ModelFileError as error:
        raise BadCheckpointError(str(error)) from error
    return take(entry, file)


def learn_class(model: str, card: ClassCard) -> None:
    """Keep a new class and try it on a model, so that the next :func:`load_model` has it; never on the GUI thread.

    Raises:
        SegsamError: this model will not name it; says why.
    """
    keep_triton_from_mesa()
    from napari_segsam.model.checkpoint import is_checkpoint
    from napari_segsam.train.own_classes import learn

    path = resolve(model).path
    if not is_checkpoint(path):
        keep_own(card)
        raise SegsamError(f"{path.name} learns no classes; a SEG-SAM model will have this one.")
    learn(path, card)


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
