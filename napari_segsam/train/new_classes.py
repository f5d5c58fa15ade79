"""New classes for a trained model: with the cosine head a class is its card, so one more card is one more class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError

from napari_segsam.core.errors import BadCheckpointError, SegsamError, UnreadableInputError, WriteError
from napari_segsam.core.terminology import ClassCard
from napari_segsam.io.class_cards import read_card_file
from napari_segsam.model import checkpoint
from napari_segsam.train.text import TextEncoder, embed_cards, text_encoder

_ROWS = "class_cards.sentences"
_NEAREST = 8
"""Classes with which a new card's words are compared."""
_SAME = 2e-3
"""Distance of two unit vectors that are one but for the half precision in which a checkpoint keeps them."""


def read_new_cards(path: Path) -> list[ClassCard]:
    """The cards in a TOML file, in its order.

    Raises:
        UnreadableInputError: names the place in the file and what is wrong there.
    """
    cards = read_card_file(path)
    if not cards:
        raise UnreadableInputError(f"{path.name} has no [class.NAME] table; see docs/how-to/add-a-class.md.")
    return list(cards.values())


def add_classes(
    checkpoint_path: Path, cards: Iterable[ClassCard], out: Path, encoder: str | None = None
) -> checkpoint.Header:
    """Write a copy of a checkpoint that can also name ``cards``; no weight is trained or changed.

    The new rows are whitened with the checkpoint's own centre and basis, and every other tensor is the same bit for
    bit. So a token's logits for the old classes stay as they were; what t_text says can shift a little, for it reads
    all cards, see docs/how-to/add-a-class.md.

    Args:
        checkpoint_path: a SEG-SAM with the cosine class head.
        cards: the classes to add, which get the ids after those that are there.
        out: the ``.safetensors`` file to write.
        encoder: what embeds the cards, see ``train/text``; the one that the checkpoint names by default, which does not
            suffice for ``tfidf``: its fitted file is needed.

    Raises:
        BadCheckpointError: no checkpoint, or one whose list of classes is closed.
        SegsamError: names or aliases that are taken, sentences that another class has, or another encoder than the
            checkpoint's.
        WriteError: ``out`` could not be written.
    """
    added = list(cards)
    try:
        header, tensors = checkpoint.read(checkpoint_path)
    except checkpoint.CheckpointError as error:
        raise BadCheckpointError(f"{checkpoint_path.name} is no model that can be used here: {error}.") from error
    _check_open(checkpoint_path, header)
    _check_free(checkpoint_path, header, added)
    made = _encoder(header, encoder)
    tensors[_ROWS] = torch.cat([tensors[_ROWS], _rows(header, added, made).to(tensors[_ROWS].dtype)])
    grown = _grown(header, added)
    _check_words(tensors[_ROWS].float(), grown.names, added, made)
    try:
        checkpoint.write(out, tensors, grown)
    except (OSError, SafetensorError) as error:
        raise WriteError(f"{out.name} was not written ({error}); free some space or choose another folder.") from error
    return grown


def _check_open(path: Path, header: checkpoint.Header) -> None:
    if header.config.cls_head != "cosine":
        raise BadCheckpointError(
            f"{path.name} has a class head of fixed size: its classes were fixed in training. "
            'Choose a model with the cosine head, or train one with cls_head = "cosine".'
        )
    if header.config.co == "class_queries":
        raise BadCheckpointError(
            f"{path.name} asks for each class with a token of its own, which a new class has not learned; choose a "
            "model that was trained with another 'co'."
        )


def _check_free(path: Path, header: checkpoint.Header, cards: Sequence[ClassCard]) -> None:
    """Refuse a spelling that already means something, in the checkpoint or in another of the cards."""
    owners = {name: name for name in header.names} | {a: n for a, n in header.aliases.items() if a not in header.names}
    for card in cards:
        for spelling in dict.fromkeys((card.name, *card.aliases)):
            if spelling in owners:
                raise SegsamError(_taken(path, header, card, spelling, owners[spelling]))
            owners[spelling] = card.name


def _taken(path: Path, header: checkpoint.Header, card: ClassCard, spelling: str, owner: str) -> str:
    is_name = spelling == card.name
    said = f"The name of the new class '{card.name}'" if is_name else f"The alias '{spelling}' of '{card.name}'"
    taken = "the name of a class" if spelling == owner else f"another name of '{owner}'"
    where = f"in {path.name}" if owner in header.names else "among the new classes"
    return f"{said} is already {taken} {where}; {'choose another name' if is_name else 'leave the alias out'}."


def _encoder(header: checkpoint.Header, encoder: str | None) -> TextEncoder:
    """The checkpoint's own."""
    spec = encoder or header.text_encoder
    if encoder is None and spec.startswith("tfidf:"):
        raise SegsamError(f"The cards were embedded with {spec}; name its fitted file: tfidf:FILE.safetensors.")
    made = text_encoder(spec)
    if made.name != header.text_encoder:
        raise SegsamError(
            f"The model's cards were embedded with {header.text_encoder}, not with {made.name}, and the vectors of two "
            "encoders cannot be compared; use the model's own."
        )
    return made


def _rows(header: checkpoint.Header, cards: Sequence[ClassCard], encoder: TextEncoder) -> torch.Tensor:
    """(M, A, d) embeddings of the new cards."""
    rows = embed_cards(cards, encoder)
    if rows.shape[1:] != (header.config.n_aspects, header.config.text_dim):
        raise SegsamError(
            f"A new card gives {rows.shape[1]} vectors of {rows.shape[2]} numbers where the model's cards have "
            f"{header.config.n_aspects} of {header.config.text_dim}; choose a model whose cards have as many sentences."
        )
    return rows


def _check_words(rows: torch.Tensor, names: Sequence[str], cards: Sequence[ClassCard], encoder: TextEncoder) -> None:
    """Refuse a new card with the sentences of another one.

    A checkpoint has no sentences, but their vectors. Each was read with its class's name before it, so the new card's
    are read again with the names of the nearest classes.

    Args:
        rows: (K, A, d) float32 embeddings of all cards, the new ones last.
        names: their K names.
        cards: the new ones.
        encoder: what embedded them.
    """
    for i, card in enumerate(cards, len(names) - len(cards)):
        nearest = (rows[:i] - rows[i]).norm(dim=-1).mean(-1).topk(min(_NEAREST, i), largest=False).indices
        renamed = embed_cards([replace(card, name=names[n]) for n in nearest], encoder)
        apart = (renamed - rows[nearest]).norm(dim=-1).amax(-1)
        if apart.min() < _SAME:
            raise SegsamError(
                f"All sentences of the new class '{card.name}' are those of '{names[nearest[apart.argmin()]]}', so "
                "only their names would tell the two apart; write what is different."
            )


def _grown(header: checkpoint.Header, cards: Sequence[ClassCard]) -> checkpoint.Header:
    return replace(
        header,
        config=replace(header.config, n_classes=header.config.n_classes + len(cards)),
        names=header.names + tuple(c.name for c in cards),
        aliases={**header.aliases, **{a: c.name for c in cards for a in c.aliases}},
        modalities={**header.modalities, **{c.name: c.modalities for c in cards}},
    )
