"""A whole training run: data and weights in, steps, a state to resume from, and a calibrated checkpoint out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from safetensors import SafetensorError
from safetensors.torch import load_file

from napari_segsam.core.errors import BadCheckpointError, UnreadableInputError, WriteError
from napari_segsam.core.terminology import ClassCard, Vocabulary, read_cards
from napari_segsam.model import checkpoint
from napari_segsam.model.build import build
from napari_segsam.model.config import SegSamConfig, preset
from napari_segsam.model.sam_weights import fitted_to
from napari_segsam.model.segsam import SegSam
from napari_segsam.train import losses, run_log
from napari_segsam.train.batches import Batch, BatchMaker
from napari_segsam.train.calibration import calibrate
from napari_segsam.train.config import TrainConfig, read_config
from napari_segsam.train.curves import write_curves
from napari_segsam.train.data.dataset import LoadedSample, SAMed2D, load, partial_labels
from napari_segsam.train.run_log import LOG
from napari_segsam.train.text import Tfidf, embed_cards, text_encoder
from napari_segsam.train.trainer import MODEL, STATE, Trainer, TrainingError, last_line

log = logging.getLogger(__name__)
CURVES, TEXT = "curves.png", "text_encoder.safetensors"


def start(config: TrainConfig) -> tuple[Trainer, BatchMaker]:
    """Read the data, build the model, fill in cards and pretrained weights.

    Raises:
        UnreadableInputError: no picture is left to train on.
        BadCheckpointError: pretrained weights that do not fit.
    """
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    accelerator = Accelerator(
        cpu=config.device == "cpu" or not torch.cuda.is_available(),
        mixed_precision="no",  # Objective keeps layers and losses apart by itself
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if config.images < accelerator.num_processes:
        raise TrainingError(
            f"'images' is {config.images}, fewer than the {accelerator.num_processes} processes; raise it."
        )
    data = SAMed2D(config.data.root, config.data.split, config.data.unions)
    data.samples = [s for s in data.samples if s.dataset not in config.data.exclude]
    if not data.samples:
        raise UnreadableInputError(
            f"{config.data.root.name}: no picture is left to train on; see 'split' and 'exclude'."
        )
    model, header = _begin(config, data)
    vocabulary = Vocabulary(header.names, header.aliases, header.modalities)
    samples = load(data, vocabulary)
    model.image_encoder.to(memory_format=torch.channels_last)  # a quarter faster on CPUs
    mean_objects = float(np.mean([len(s.known) for s in samples]))
    w0 = config.losses.no_object or losses.no_object_weight(header.config.n_co, mean_objects)
    trainer = Trainer(config, model, header, w0, accelerator)
    share = accelerator.process_index, accelerator.num_processes
    return trainer, BatchMaker(samples, _told(samples, config, len(vocabulary)), config, header.config, share)


def _told(samples: list[LoadedSample], config: TrainConfig, n_classes: int) -> dict[str, np.ndarray]:
    if config.data.partial_labels:
        return partial_labels(samples, n_classes)
    return {s.sample.dataset: np.ones(n_classes, bool) for s in samples}


def _begin(config: TrainConfig, data: SAMed2D) -> tuple[SegSam, checkpoint.Header]:
    """The model with what it starts from, and the classes that it names: a warm start's own, or those of the data."""
    if config.warm_start is not None:
        return _warm_up(config, config.warm_start)
    cards = _cards_of(data)
    vocabulary = Vocabulary.of(cards)
    encoder = text_encoder(config.text_encoder, cards)
    sentences = embed_cards(cards, encoder)
    _, aspects, width = sentences.shape
    sizes = replace(config.method.of(preset(config.model, len(cards))), n_aspects=aspects, text_dim=width)
    model = _built(sizes)
    model.class_cards.fill(sentences)
    if isinstance(encoder, Tfidf):  # without its fit nobody could add a class
        encoder.save(config.run / TEXT)
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
    cards = _all_cards()
    everything = Vocabulary.of(cards.values())
    listed = {everything.canonical(name) for name in names}
    if not listed - {None}:
        raise UnreadableInputError(
            f"{data.root.name}: none of its classes has a card; describe them as docs/how-to/add-a-class.md says."
        )
    unknown = sorted(n for n in names if everything.canonical(n) is None)
    if unknown:
        log.info("%d classes have no card and are learned without a name: %s", len(unknown), ", ".join(unknown))
    return [c for c in cards.values() if c.name in listed]


def _all_cards() -> dict[str, ClassCard]:
    return read_cards((resources.files("napari_segsam.weights") / "class_cards.toml").read_text(encoding="utf-8"))


def _built(sizes: SegSamConfig) -> SegSam:
    try:
        return build(sizes)
    except ValueError as error:
        raise UnreadableInputError(f"[method]: {error}") from error


def _warm_up(config: TrainConfig, path: Path) -> tuple[SegSam, checkpoint.Header]:
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
    fresh = Vocabulary.of(c for name, c in _all_cards().items() if name in header.names)
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


Steps = Iterator[tuple[int, Batch]]


def train(config_path: Path, resume: bool = False, watch: Callable[[Steps, int], Steps] | None = None) -> Path:
    """Run (or go on with) what ``config_path`` says; returns the exported checkpoint's path.

    ``watch`` is given the steps that are left and how many they are, and passes them on, so that it can show progress.

    Raises:
        SegsamError: a bad config, data set or run folder, a run in the way, or a loss that is not finite.
    """
    config = read_config(config_path)
    _claim(config.run, resume)
    trainer, maker = start(config)
    if resume:
        trainer.resume()
    writes = trainer.accelerator.is_main_process
    log_path = config.run / LOG
    if writes:
        run_log.keep_rows_before(log_path, trainer.step)
    began = time.monotonic()
    steps = maker.stream(trainer.step, config.steps)
    for step, batch in steps if watch is None else watch(steps, config.steps - trainer.step):
        terms = trainer.learn(batch)
        if writes:
            _note(config, trainer, {"step": step, **terms, "seconds": time.monotonic() - began})
    trainer.accelerator.wait_for_everyone()
    if config.calibrate and writes:
        _calibrate(config)
    return config.run / MODEL


def _note(config: TrainConfig, trainer: Trainer, row: dict[str, float]) -> None:
    """Log a step, say every fiftieth, and save what is due."""
    step = int(row["step"])
    run_log.append(config.run / LOG, row)
    if step % 50 == 0:
        said = ", ".join(f"{k} {v:.3f}" for k, v in row.items() if k not in ("step", "seconds"))
        log.info("step %d of %d, %.0f s: %s", step, config.steps, row["seconds"], said)
    if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
        trainer.save()
        write_curves(config.run / LOG, config.run / CURVES)


def _calibrate(config: TrainConfig) -> None:
    """Fit the checkpoint's scores on pictures that the run has not learned from, where there are any.

    Raises:
        TrainingError: the trained weights are no usable ones.
        WriteError: the disk is full or gone; the checkpoint is as it was.
    """
    data = config.data
    if data.split != "train":
        log.warning("not calibrated: split '%s' was trained on, so no picture is left to fit scores to", data.split)
        return
    try:
        calibrate(config.run / MODEL, data.root, "val", exclude=data.exclude, device=config.device)
    except UnreadableInputError as error:  # the model is trained all the same
        log.warning("not calibrated: %s", error)
    except BadCheckpointError as error:
        raise TrainingError(f"{config.run / MODEL}: {error} Train with a lower learning_rate.") from error
    except (SafetensorError, OSError) as error:
        raise WriteError(
            f"{config.run / MODEL}: the fitted scores were not saved ({last_line(error)}); free some space and go on "
            "with --resume."
        ) from error


def _claim(run: Path, resume: bool) -> None:
    """Make the run's folder; what hours of training left in it is never overwritten by a new run.

    Raises:
        WriteError: it holds a run and ``resume`` was not asked for, or it cannot be made.
    """
    for name, way_out in ((STATE, "pass --resume or choose another folder"), (MODEL, "choose another folder")):
        if not resume and (run / name).exists():
            raise WriteError(f"{run} already holds a run ({name}); {way_out}.")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{run}: cannot be made ({error.strerror}); choose another folder for the run.") from error
