"""What a run begins with: fresh weights for the classes of its data, another checkpoint's, or its own."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from napari_segsam.core.errors import BadCheckpointError, UnreadableInputError
from napari_segsam.core.terminology import ClassCard, Vocabulary
from napari_segsam.io.atomic import replacing
from napari_segsam.io.class_cards import package_cards
from napari_segsam.model import checkpoint
from napari_segsam.model.build import build
from napari_segsam.model.config import SegSamConfig, preset
from napari_segsam.model.sam_weights import fitted_to
from napari_segsam.model.segsam import SegSam
from napari_segsam.train.config import TrainConfig
from napari_segsam.train.data.listing import SAMed2D
from napari_segsam.train.text import Tfidf, embed_cards, text_encoder
from napari_segsam.train.trainer import MODEL, last_line

log = logging.getLogger(__name__)
TEXT = "text_encoder.safetensors"


def begin(config: TrainConfig, data: SAMed2D, resume: bool) -> tuple[SegSam, checkpoint.Header]:
    """The model and the classes that it names.

    Args:
        config: of the run.
        data: its pictures; a fresh run names the classes that they annotate.
        resume: the run's own classes and sizes; its weights come from its state.

    Raises:
        BadCheckpointError: weights that cannot be started from.
        UnreadableInputError: a choice that does not exist, or data without a class that has a card.
    """
    if resume:
        return _own(config.run / MODEL)
    if config.warm_start is not None:
        model, header = _warm(config, config.warm_start)
        _tell_unknown(data, Vocabulary(header.names, header.aliases))
        return model, header
    return _fresh(config, data)


def _own(path: Path) -> tuple[SegSam, checkpoint.Header]:
    """Whatever the data annotates by now: a class keeps its place."""
    try:
        header = checkpoint.read_header(path)
    except (checkpoint.CheckpointError, OSError) as error:
        raise BadCheckpointError(
            f"{path} does not say which classes the run learns ({last_line(error)}); start in another folder, without "
            "--resume."
        ) from error
    return _built(header.config), header


def _fresh(config: TrainConfig, data: SAMed2D) -> tuple[SegSam, checkpoint.Header]:
    cards = _cards_of(data)
    vocabulary = Vocabulary.of(cards)
    encoder = text_encoder(config.text_encoder, cards)
    sentences = embed_cards(cards, encoder)
    _, aspects, width = sentences.shape
    sizes = replace(config.method.of(preset(config.model, len(cards))), n_aspects=aspects, text_dim=width)
    model = _built(sizes)
    model.class_cards.fill(sentences)
    if isinstance(encoder, Tfidf):  # without its fit nobody could add a class
        with replacing(config.run / TEXT) as (beside,):
            encoder.save(beside)
    if config.backbone is not None:
        _load_backbone(model, config.backbone)
    words = vocabulary.names, vocabulary.aliases, vocabulary.modalities
    return model, checkpoint.Header(sizes, *words, text_encoder=encoder.name)


def _cards_of(data: SAMed2D) -> list[ClassCard]:
    """The cards of all classes that the data set annotates, in the cards' order.

    Raises:
        UnreadableInputError: none of its classes has a card.
    """
    names = {m.class_name for s in data.samples for m in s.masks}
    cards = package_cards()
    everything = Vocabulary.of(cards.values())
    listed = {everything.canonical(name) for name in names}
    if not listed - {None}:
        raise UnreadableInputError(
            f"{data.root.name}: none of its classes has a card; describe them as docs/how-to/add-a-class.md says."
        )
    _tell_unknown(data, everything)
    return [c for c in cards.values() if c.name in listed]


def _tell_unknown(data: SAMed2D, vocabulary: Vocabulary) -> None:
    names = {m.class_name for s in data.samples for m in s.masks}
    unknown = sorted(n for n in names if vocabulary.canonical(n) is None)
    if unknown:
        log.info("%d classes are learned without a name: %s", len(unknown), ", ".join(unknown))


def _built(sizes: SegSamConfig) -> SegSam:
    try:
        return build(sizes)
    except ValueError as error:
        raise UnreadableInputError(f"[method]: {error}") from error


def _warm(config: TrainConfig, path: Path) -> tuple[SegSam, checkpoint.Header]:
    """A checkpoint's weights, classes and sizes, with the config's choices where they leave the weights as they are."""
    try:
        other, header = checkpoint.load(path)
        sizes = config.method.of(header.config)
        model = _built(sizes)
        model.load_state_dict(other.state_dict())
    except (checkpoint.CheckpointError, OSError, RuntimeError) as error:
        raise BadCheckpointError(f"{path.name} cannot be the warm start of this model: {last_line(error)}.") from error
    if sizes.encoder != {"nano": "mobilenet"}.get(config.model, config.model):
        raise BadCheckpointError(
            f"{path.name} cannot be the warm start of this model: it is no {config.model}; see 'model'."
        )
    fresh = Vocabulary.of(c for name, c in package_cards().items() if name in header.names)
    known_as = {a: n for a, n in {**header.aliases, **fresh.aliases}.items() if a not in header.names}
    return model, replace(header, config=sizes, aliases=known_as, modalities={**header.modalities, **fresh.modalities})


def _load_backbone(model: SegSam, path: Path) -> None:
    """Take over pretrained weights: a MobileNetV2's without its classifier, or SAM's with everything that fits."""
    kind = "MobileNetV2" if model.config.zoom else "SAM"
    try:
        tensors = {k: v.float() for k, v in load_file(path).items()}
        if model.config.zoom:
            kept = {k: v for k, v in tensors.items() if not k.startswith("head.")}
            model.image_encoder.backbone.load_state_dict(kept)  # type: ignore[union-attr]
        else:
            fitted_to(model, tensors)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise BadCheckpointError(
            f"{path.name} holds no {kind} that 'backbone' can start from: {last_line(error)}."
        ) from error
