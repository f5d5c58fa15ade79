"""A person's own classes in any model that can have them: its file with their cards added, made once and kept."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from napari_segsam.core.errors import BadCheckpointError, SegsamError, WriteError
from napari_segsam.core.terminology import ClassCard
from napari_segsam.io.class_cards import forget_own, keep_own, own_cards
from napari_segsam.io.hub import cache_folder
from napari_segsam.model import checkpoint
from napari_segsam.train.new_classes import add_classes
from napari_segsam.train.text import text_encoder

LOG = logging.getLogger(__name__)


def with_own_classes(model: Path) -> Path:
    """The file to load: the model's own where the person has no classes, or where it can learn none of them.

    Why it does not learn a class is logged, not raised: the model is wanted in any case.
    """
    try:
        cards = list(own_cards().values())
    except SegsamError as error:
        LOG.warning("%s", error)
        return model
    grown, refused = _grown(model, cards)
    for name, why in refused.items():
        LOG.warning("%s is not suggested: %s", name, why)
    return grown


def learn(model: Path, card: ClassCard) -> None:
    """Keep a new class, so that :func:`with_own_classes` has it from now on in every model that can have it.

    Raises:
        SegsamError: this model will not name it; says why. The card is kept all the same, for another model or for when
            the sentence encoder is there, unless the card itself is refused.
    """
    before = own_cards()
    keep_own(card)
    refused = _grown(model, [c for c in before.values() if c.name != card.name] + [card])[1]
    if card.name not in refused:
        return
    error = refused[card.name]
    if not isinstance(error, (BadCheckpointError, WriteError)) and _has_encoder(model):
        keep_own(before[card.name]) if card.name in before else forget_own(card.name)
    raise error


def _has_encoder(model: Path) -> bool:
    try:
        text_encoder(checkpoint.read_header(model).text_encoder)
    except SegsamError:
        return False
    return True


def _grown(model: Path, cards: Sequence[ClassCard]) -> tuple[Path, dict[str, SegsamError]]:
    """The model with as many of the cards as it takes, and by name why it does not take the others."""
    new = _unknown(model, cards)
    error = _add(model, new)
    if error is None:
        return _place(model, new), {}
    if len(new) == 1 or isinstance(error, BadCheckpointError):
        return model, {card.name: error for card in new}
    good, refused = list[ClassCard](), dict[str, SegsamError]()
    for card in new:
        error = _add(model, [*good, card])
        if error is None:
            good.append(card)
        else:
            refused[card.name] = error
    return _place(model, good), refused


def _unknown(model: Path, cards: Sequence[ClassCard]) -> list[ClassCard]:
    """Those that the model does not have already; none where it is no model, which its loader will say."""
    try:
        header = checkpoint.read_header(model)
    except checkpoint.CheckpointError:
        return []
    return [card for card in cards if card.name not in header.names and card.name not in header.aliases]


def _add(model: Path, cards: Sequence[ClassCard]) -> SegsamError | None:
    """Make the model's file with these cards, where there is none yet; why that fails."""
    out = _place(model, cards)
    if not cards or out.exists():
        return None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        add_classes(model, cards, out)
    except SegsamError as error:
        return error
    except OSError as error:
        return WriteError(f"{out.parent} could not be made ({error.strerror}); let SEGSAM_CACHE name another folder.")
    for old in out.parents[2].glob("*"):  # one file for each model is enough: the one with the newest set of cards
        if old != out.parents[1]:
            shutil.rmtree(old, ignore_errors=True)
    return None


def _place(model: Path, cards: Sequence[ClassCard]) -> Path:
    """Where the model with these cards lies; without any, the model itself.

    It is called as the model is, since whoever loads it names it by its file and folder.
    """
    if not cards:
        return model
    stat, path = model.stat(), model.resolve()
    base = _digest(f"{path} {stat.st_size} {stat.st_mtime_ns} {checkpoint.FORMAT}")
    return cache_folder() / "own-classes" / base / _digest(repr(cards)) / path.parent.name / model.name


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
