"""A whole training run: data and weights in, steps, a state to resume from, and a calibrated checkpoint out."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from napari_segsam.core.errors import BadCheckpointError, UnknownNameError, UnreadableInputError, WriteError
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.loading import load_model
from napari_segsam.engine.zoo.prior_maps import clickable
from napari_segsam.io.registry import resolve
from napari_segsam.train import losses, run_log
from napari_segsam.train.batches import Batch, BatchMaker
from napari_segsam.train.beginning import begin
from napari_segsam.train.calibration import calibrate
from napari_segsam.train.config import TrainConfig, read_config
from napari_segsam.train.curves import write_curves
from napari_segsam.train.data.dataset import LoadedSample, SAMed2D, load, partial_labels
from napari_segsam.train.leftovers import remove_leftovers
from napari_segsam.train.priors import FOLDER, PriorSource, PriorStore
from napari_segsam.train.run_log import LOG
from napari_segsam.train.trainer import MODEL, STATE, Trainer, TrainingError, last_line

log = logging.getLogger(__name__)
CURVES, LOCK = "curves.png", ".lock"


def start(config: TrainConfig, resume: bool = False) -> tuple[Trainer, BatchMaker]:
    """Read the data and build what learns from it, or goes on; see ``beginning.begin`` and ``Trainer.resume``.

    Raises:
        UnreadableInputError: no picture is left to train on.
        BadCheckpointError: weights, or a state to go on from, that do not fit.
        UnknownNameError: a data set to be left out is not there.
        TrainingError: more processes than pictures in a step, or another config than the run was started with.
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
    there = {s.dataset for s in data.samples}
    for name in config.data.exclude:
        if name not in there:  # a slip would train on what was to be kept for a test
            raise UnknownNameError("data set in 'exclude'", name, sorted(there))
    data.samples = [s for s in data.samples if s.dataset not in config.data.exclude]
    if not data.samples:
        raise UnreadableInputError(
            f"{config.data.root.name}: no picture is left to train on; see 'split' and 'exclude'."
        )
    model, header = begin(config, data, resume)
    vocabulary = Vocabulary(header.names, header.aliases, header.modalities)
    samples = load(data, vocabulary)
    n_masks = sum(len(s.class_ids) for s in samples)
    kept = len(there) - len(config.data.exclude)
    log.info("%d pictures with %d masks of %d data sets; %d classes", len(samples), n_masks, kept, len(vocabulary))
    model.image_encoder.to(memory_format=torch.channels_last)  # a quarter faster on CPUs
    mean_objects = float(np.mean([len(s.known) for s in samples]))
    w0 = config.losses.no_object or losses.no_object_weight(header.config.n_co, mean_objects)
    trainer = Trainer(config, model, header, w0, accelerator)
    if resume:
        trainer.resume()  # or it refuses, before hours are spent on maps
    share = accelerator.process_index, accelerator.num_processes
    told, priors = _told(samples, config, len(vocabulary)), _priors(samples, config, accelerator)
    return trainer, BatchMaker(samples, told, config, header.config, share, priors)


def _priors(samples: list[LoadedSample], config: TrainConfig, accelerator: Accelerator) -> dict[str, Path]:
    """Files of the pictures' prior maps by sample name, none where the run wants none; each process makes its share."""
    if config.priors.model is None:
        return {}
    found = resolve(config.priors.model)
    device = "cpu" if accelerator.device.type == "cpu" else str(accelerator.device)
    predictor = load_model(found.path, device, found.name, words=found.words, base=found.base)
    clickable(predictor)  # or it raises, before hours are spent
    store = PriorStore(config.run.parent / FOLDER, PriorSource(lambda: predictor, config.priors.points))
    every = [s.sample for s in samples]
    mine = store.paths(every[accelerator.process_index :: accelerator.num_processes])
    if accelerator.num_processes == 1:
        return mine
    accelerator.wait_for_everyone()
    return store.paths(every)


def _told(samples: list[LoadedSample], config: TrainConfig, n_classes: int) -> dict[str, np.ndarray]:
    if config.data.partial_labels:
        return partial_labels(samples, n_classes)
    return {s.sample.dataset: np.ones(n_classes, bool) for s in samples}


Steps = Iterator[tuple[int, Batch]]


def train(config_path: Path, resume: bool = False, watch: Callable[[Steps, int], Steps] | None = None) -> Path:
    """Run (or go on with) what ``config_path`` says; returns the exported checkpoint's path.

    ``watch`` is given the steps that are left and how many they are, and passes them on, so that it can show progress.

    Raises:
        SegsamError: a bad config, data set or run folder, a run in the way, or a loss that is not finite.
    """
    config = read_config(config_path)
    _claim(config.run, resume)
    first = os.environ.get("RANK", "0") == "0"
    with _alone(config.run) if first else nullcontext():
        return _run(config, resume, watch)


def _run(config: TrainConfig, resume: bool, watch: Callable[[Steps, int], Steps] | None) -> Path:
    trainer, maker = start(config, resume)
    writes = trainer.accelerator.is_main_process
    log_path = config.run / LOG
    if writes:
        run_log.keep_rows_before(log_path, trainer.step)
    began = time.monotonic()
    steps = maker.stream(trainer.step, config.steps, pinned=trainer.accelerator.device.type == "cuda")
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
        BadCheckpointError: there is nothing to resume.
        WriteError: it holds a run and ``resume`` was not asked for, or it cannot be made.
    """
    if resume and not (run / STATE).is_file():
        raise BadCheckpointError(f"There is nothing to resume in {run.name}: no {STATE}; start without --resume.")
    for name, way_out in ((STATE, "pass --resume or choose another folder"), (MODEL, "choose another folder")):
        if not resume and (run / name).exists():
            raise WriteError(f"{run} already holds a run ({name}); {way_out}.")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{run}: cannot be made ({error.strerror}); choose another folder for the run.") from error


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Two programs in one folder would overwrite each other's hours.

    Raises:
        WriteError: another one is training there, or the folder may not be written to.
    """
    try:
        with FileLock(run / LOCK, timeout=0):
            remove_leftovers(run)
            yield
    except Timeout as error:
        raise WriteError(f"{run}: another program is training there; wait for it, or choose another folder.") from error
    except PermissionError as error:
        raise WriteError(f"{run}: may not be written to; choose another folder for the run.") from error
