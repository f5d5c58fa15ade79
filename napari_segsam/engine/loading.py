"""One way in: a file of weights, of SEG-SAM or of any published family, becomes a Predictor."""

from __future__ import annotations

from hashlib import file_digest, sha256
from pathlib import Path
from typing import cast

from torch import nn

from napari_segsam.core.errors import BadCheckpointError, UndecidedModelError, UnknownNameError
from napari_segsam.engine.on_device import choose_device
from napari_segsam.engine.predictor import called, load_predictor
from napari_segsam.engine.protocols import Predictor
from napari_segsam.engine.zoo.predictor import ZooPredictor
from napari_segsam.model import checkpoint
from napari_segsam.model.zoo import table
from napari_segsam.model.zoo.accounts import ModelFileError, UndecidedError
from napari_segsam.model.zoo.family import Family, Option, Shapes
from napari_segsam.model.zoo.loading import load_zoo


def load_model(
    path: Path,
    device: str = "auto",
    name: str | None = None,
    *,
    words: tuple[str, ...] = (),
    base: Path | None = None,
) -> Predictor:
    """Load a file.

    Args:
        path: a checkpoint of ours, or what a family publishes.
        device: see :func:`choose_device`.
        name: what to call it, but for its options; by default after its file.
        words: a published file's family, where files of several are alike, and options of that family.
        base: the file that ``path`` is a difference to.

    Raises:
        BadCheckpointError: damaged, of no known family, tensors missing or left over, or an option where none is.
        UndecidedModelError: a family or a base has to be named.
        UnknownNameError: a word is neither a family nor an option of it; names what there is for this file.
    """
    if checkpoint.is_checkpoint(path):
        if words or base is not None:
            raise BadCheckpointError(f"{path.name} is a SEG-SAM checkpoint, which says all of itself: leave out the @.")
        # Its embeddings are its own, which the protocol can say in words only.
        return cast("Predictor", load_predictor(path, device, name))
    chosen = choose_device(device)
    family, options = _family_and_options(words)
    try:
        model, found, shapes = load_zoo(path, family=family, base=base)
        for switch in [_option(found, word, path, shapes) for word in options]:
            model, found = switch(model, found)
        digest = _digest(path, words, base)
    except ModelFileError as error:
        open_ = error if isinstance(error, UndecidedError) else error.__cause__
        if isinstance(open_, UndecidedError):
            raise UndecidedModelError(str(error), open_.families, open_.base) from error
        raise BadCheckpointError(str(error)) from error
    except OSError as error:
        raise BadCheckpointError(f"{path.name} cannot be read: {error.strerror}.") from error
    if isinstance(model, nn.Module):
        model.to(chosen)
    title = "@".join(filter(None, (name or called(path), ",".join(options))))
    made = ZooPredictor(model, found, shapes, name=title, sha256=digest, device=chosen)
    return cast("Predictor", made)


def _family_and_options(words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    families = [w for w in words if w in {family.name for family in table.FAMILIES}]
    return (families[0] if families else None), tuple(w for w in words if w not in families)


def _option(family: Family, word: str, path: Path, shapes: Shapes) -> Option:
    if word in family.options:
        return family.options[word]
    alike = [each.name for each in table.fitting(shapes)]
    known = (*family.options, *(alike if len(alike) > 1 else ()))
    if known:
        raise UnknownNameError(f"word behind {path.name}, a file of {family.title},", word, known)
    raise BadCheckpointError(
        f"{path.name} is a file of {family.title}, which has no options; leave out the word '{word}' behind its @."
    )


def _digest(path: Path, words: tuple[str, ...], base: Path | None) -> str:
    """Of the file; where it takes more than the file to say what the model is, of all of that."""
    with path.open("rb") as file:
        own = file_digest(file, "sha256").hexdigest()
    if not words and base is None:
        return own
    with path.open("rb") if base is None else base.open("rb") as file:
        below = file_digest(file, "sha256").hexdigest()
    return sha256(f"{own} {below} {sorted(words)}".encode()).hexdigest()
