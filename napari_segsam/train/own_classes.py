"""A person's own classes in any model that can have them: its file with their cards added, made once and kept."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from hashlib import file_digest, sha256
from pathlib import Path

from filelock import FileLock

from napari_segsam.core.errors import BadCheckpointError, SegsamError, WriteError
from napari_segsam.core.terminology import ClassCard
from napari_segsam.io.class_cards import forget_own, keep_own, own_cards
from napari_segsam.io.hub import cache_folder
from napari_segsam.model import checkpoint
from napari_segsam.train.new_classes import add_classes
from napari_segsam.train.text import text_encoder

LOG = logging.getLogger(__name__)
_WAIT_S = 120
"""For another window that grows the same model; then this one goes on without."""
_ABOUT_TO_BE_OPENED_S = 600
"""A grown file that somebody asked for so lately is not removed."""


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
            the sentence encoder is there, unless the card itself is refused or this is no model.
    """
    _check_new(model, card)
    before = own_cards()
    keep_own(card)
    refused = _grown(model, [c for c in before.values() if c.name != card.name] + [card])[1]
    if card.name not in refused:
        return
    error = refused[card.name]
    if not isinstance(error, (BadCheckpointError, WriteError)) and _has_encoder(model):
        keep_own(before[card.name]) if card.name in before else forget_own(card.name)
    raise error


def _check_new(model: Path, card: ClassCard) -> None:
    """Refuse a name that the model understands already: it would go on as it is, and the new card would not be read."""
    try:
        header = checkpoint.read_header(model)
    except checkpoint.CheckpointError as error:
        raise BadCheckpointError(f"{model.name} is no model that can be used here: {error}.") from error
    known = card.name if card.name in header.names else header.aliases.get(card.name)
    if known is not None:
        raise SegsamError(f"{model.name} has '{card.name}' already, as its class '{known}'; choose that one.")


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
    """Have the model's file with these cards, made where there is none that is whole; why that fails."""
    if not cards:
        return None
    out = _place(model, cards)
    base = out.parents[2]
    try:
        base.mkdir(parents=True, exist_ok=True)
        base.parent.chmod(0o700)  # what a person describes is nobody else's business
        with FileLock(base.with_suffix(".lock"), timeout=_WAIT_S):  # another window may be at it, too
            if not _is_whole(out):
                _make(model, cards, out)
            _seal(out).touch()
            _remove_older(base, out.parents[1])
    except SegsamError as error:
        return error
    except OSError as error:  # the lock's time-out is one, too
        why = error.strerror or "another window works on it"
        return WriteError(f"{base.parent} could not be written to ({why}); let SEGSAM_CACHE name another folder.")
    return None


def _make(model: Path, cards: Sequence[ClassCard], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    add_classes(model, cards, out)
    _seal(out).write_text(_sha256(out), encoding="ascii")


def _is_whole(grown: Path) -> bool:
    """Whether the file is still what :func:`_make` wrote."""
    try:
        return _seal(grown).read_bytes() == _sha256(grown).encode()
    except OSError:
        return False


def _seal(grown: Path) -> Path:
    """Beside the file, its SHA-256; its time is when the file was last asked for."""
    return grown.with_name(f"{grown.name}.sha256")


def _remove_older(base: Path, newest: Path) -> None:
    """One file for each model is enough, but another window may be about to open the last one."""
    begun = time.time() - _ABOUT_TO_BE_OPENED_S
    for folder in base.iterdir():
        if folder != newest and all(seal.stat().st_mtime < begun for seal in folder.rglob("*.sha256")):
            shutil.rmtree(folder, ignore_errors=True)


def _place(model: Path, cards: Sequence[ClassCard]) -> Path:
    """Where the model with these cards lies; without any, the model itself.

    In one folder for each model's path, so that what was made of an older file there is found and removed. It is called
    as the model is, since whoever loads it names it by its file and folder.
    """
    if not cards:
        return model
    path = model.resolve()
    base = cache_folder() / "own-classes" / _digest(str(path))
    return base / _digest(f"{_sha256(path)} {checkpoint.FORMAT} {cards!r}") / path.parent.name / model.name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
