"""The training loop: deterministic from its seed, resumable at any checkpoint, on one device."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.errors import BadCheckpointError, SegsamError, UnreadableInputError, WriteError
from napari_segsam.core.terminology import Vocabulary, read_cards
from napari_segsam.engine.zoom import PromptGeometry
from napari_segsam.io.atomic import replacing
from napari_segsam.model import checkpoint
from napari_segsam.model.build import build
from napari_segsam.model.config import preset
from napari_segsam.model.prompt_tokens import PromptBatch
from napari_segsam.model.segsam import SegSam, SegSamOutput, Zoomed
from napari_segsam.model.semantic_decoder import Unprompted
from napari_segsam.model.zoom_encoder import SliceFeatures
from napari_segsam.train import losses, prompt_simulation, run_log
from napari_segsam.train.batches import Batch, BatchMaker, PromptedCrop, to_model
from napari_segsam.train.calibration import calibrate
from napari_segsam.train.config import TrainConfig, read_config
from napari_segsam.train.curves import write_curves
from napari_segsam.train.dataset import SAMed2D, load, partial_labels
from napari_segsam.train.run_log import LOG
from napari_segsam.train.text import embed_cards

log = logging.getLogger(__name__)
STATE, MODEL, CURVES = "state.safetensors", "model.safetensors", "curves.png"


class TrainingError(SegsamError):
    """A run that cannot go on; says at which step and on which files."""


@dataclass
class Trainer:
    """Model, moving average and optimiser of one run.

    Attributes:
        config: what the run was told.
        model: being trained.
        average: moving average of its weights, which is what gets exported.
        optimiser: AdamW, the backbone at a lower rate.
        w0: weight of "no object" in set prediction.
        step: next step.
    """

    config: TrainConfig
    model: SegSam
    header: checkpoint.Header
    w0: float
    step: int = 0
    average: dict[str, Tensor] = field(init=False)
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(self._groups(), lr=self.config.learning_rate)

    def _groups(self) -> list[dict]:  # type: ignore[type-arg]
        """Backbone slow; convolutions fast; attention at half, it breaks first; no decay on biases and norms."""
        grouped: dict[tuple[float, float], list[Tensor]] = {}
        for name, p in self.model.named_parameters():
            rate = (
                self.config.backbone_rate if ".backbone." in name else 1.0 if name.startswith("image_encoder") else 0.5
            )
            decay = self.config.weight_decay if p.ndim > 1 else 0.0
            grouped.setdefault((rate, decay), []).append(p)
        return [{"params": ps, "rate": rate, "weight_decay": decay} for (rate, decay), ps in grouped.items()]

    def rate(self, step: int) -> float:
        """Warm-up, then a cosine to zero at the last step."""
        c = self.config
        return c.learning_rate * min((step + 1) / max(c.warm_up, 1), 1) * 0.5 * (1 + math.cos(math.pi * step / c.steps))

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step; returns the loss terms.

        Raises:
            TrainingError: the loss is not finite; names the batch's files.
        """
        self.model.train()
        terms = self.terms(batch)
        total = torch.stack([terms[name] * weight for name, weight in self._weights().items() if weight]).sum()
        if not torch.isfinite(total):
            raise TrainingError(f"The loss is {total.item()} at step {self.step}; look at: {', '.join(batch.names)}.")
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(self.step) * group["rate"]
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self._follow()
        self.step += 1
        return {"total": float(total.detach())} | {k: float(v.detach()) for k, v in terms.items()}

    def _weights(self) -> dict[str, float]:
        w = self.config.losses
        ramp = min(self.step / max(0.1 * self.config.steps, 1), 1.0)
        return {"binary": w.binary, "semantic": w.semantic, "classes": w.classes, "co_classes": w.co_classes,
                "co_masks": w.co_masks, "alignment": w.alignment * ramp, "text": w.text, "size": w.size}  # fmt: skip

    def _follow(self) -> None:
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """All loss terms of one batch, corrections included where this step has them."""
        rng = np.random.default_rng((self.config.seed, self.step, 1))
        with self._precision():
            features = self.model.encode(batch.slices, self.config.train_slice_backbone)
        own = features.of(batch.owner)
        geometries = [c.geometry for c in batch.crops]
        side = self.model.prompt_encoder.mask_input_size[0]
        output = self._ask(own, *to_model(geometries, batch.crops, side))
        ambiguous = torch.tensor([c.ambiguous for c in batch.crops])
        terms, masks = self._mask_terms(batch, output, ambiguous)
        if rng.random() < self.config.corrections:
            corrected = [_correct(c, m, rng) for c, m in zip(batch.crops, masks, strict=True)]
            again = self._ask(own, *to_model(corrected, batch.crops, side))
            more, _ = self._mask_terms(batch, again, torch.zeros_like(ambiguous))
            terms = {k: 0.5 * (v + more[k]) for k, v in terms.items()}
        clicks = torch.tensor([c.size_click for c in batch.crops])
        with self._precision():
            sizes, unprompted = self.model.size_head(own, clicks), self.model.unprompted(features)
        terms["size"] = _bin_loss(sizes.float(), torch.tensor([c.size_bin for c in batch.crops]))
        return terms | self._set_terms(batch, output.semantic, unprompted.to(torch.float32))

    def _precision(self) -> torch.autocast:
        """Layers in bfloat16 where the run says so; losses stay outside, in float32."""
        device = next(self.model.parameters()).device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.config.precision == "bf16")

    def _ask(self, features: SliceFeatures, prompts: PromptBatch, look: Zoomed) -> SegSamOutput:
        with self._precision():
            answer: SegSamOutput = self.model(features, prompts, look)
        return answer.to(torch.float32)

    def _mask_terms(self, batch: Batch, output: SegSamOutput, ambiguous: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        w, target = self.config.losses, torch.stack([c.target for c in batch.crops])
        beyond = torch.tensor([c.beyond for c in batch.crops])
        binary, chosen = losses.binary_loss(output.mask_logits, output.iou, target, ambiguous, w.pixel, beyond)
        picked = output.mask_logits[torch.arange(len(chosen)), chosen]
        semantic = output.semantic.mask_logits
        classes = torch.tensor([c.class_index for c in batch.crops])
        known = classes >= 0
        zero = semantic.sum() * 0
        class_loss, text = zero, zero
        if known.any():
            class_loss = F.cross_entropy(output.semantic.class_logits[known], classes[known])
            text = zero if output.text_logits is None else F.cross_entropy(output.text_logits[known], classes[known])
        return {
            "binary": binary,
            "semantic": losses.mask_loss(semantic, target, w.pixel).mean(),
            "alignment": losses.alignment_loss(picked, semantic[:, 0], w.alignment_kind, w.alignment_stop_gradient),
            "classes": class_loss,
            "text": text,
        }, (picked.detach() > 0)

    def _set_terms(self, batch: Batch, prompted: Unprompted, unprompted: Unprompted) -> dict[str, Tensor]:
        """Set prediction for the prompts (all but the prompted object) and for the slices alone."""
        rows = [i for i, c in enumerate(batch.crops) if c.others is not None]
        slices = [i for i, t in enumerate(batch.present) if t is not None]
        logits = torch.cat([prompted.co_class_logits[rows], unprompted.co_class_logits[slices]])
        masks = None
        if unprompted.co_mask_logits is not None and prompted.co_mask_logits is not None:
            masks = torch.cat([prompted.co_mask_logits[rows], unprompted.co_mask_logits[slices]])
        targets = [batch.crops[i].others for i in rows] + [batch.present[i] for i in slices]
        class_loss, mask_loss = losses.set_loss(logits, masks, [t for t in targets if t is not None], self.w0)
        return {"co_classes": class_loss, "co_masks": mask_loss}

    def save(self) -> None:
        """State for resuming and the averaged model for use; both appear whole or not at all.

        Raises:
            WriteError: the disk is full or gone; what was saved before is still there.
        """
        run = self.config.run
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
        try:
            with replacing(run / STATE, run / MODEL) as (state, model):
                save_file({k: v.contiguous().clone() for k, v in tensors.items()}, state, {"step": str(self.step)})
                self.export(model)
        except SafetensorError as error:  # it has errors of its own for what the system refuses
            raise WriteError(
                f"{run}: step {self.step} was not saved ({_said(error)}); free some space and go on with --resume."
            ) from error

    def export(self, path: Path) -> None:
        """Write the averaged weights as a checkpoint."""
        live = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        checkpoint.save(path, self.model, self.header)
        self.model.load_state_dict(live)

    def resume(self) -> None:
        """Go on from the run folder's state.

        Raises:
            BadCheckpointError: there is none, it is damaged, or it belongs to another model.
        """
        path = self.config.run / STATE
        if not path.is_file():
            raise BadCheckpointError(f"There is nothing to resume in {self.config.run.name}: no {STATE}.")
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                step = int(file.metadata()["step"])
            self._restore(load_file(path))
        except (SafetensorError, OSError, KeyError, TypeError, RuntimeError, ValueError) as error:
            raise BadCheckpointError(
                f"{path.name} is no state of this run ({_said(error)}); start in another folder, without --resume."
            ) from error
        self.step = step

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        self.model.load_state_dict(_under(tensors, "model."))
        self.average = _under(tensors, "average.")
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _under(tensors, "optimiser.").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict({"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]})


def _said(error: Exception) -> str:
    """The last line of what a library says, which is the one that counts."""
    return str(error).splitlines()[-1].strip()


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _correct(crop: PromptedCrop, predicted: Tensor, rng: np.random.Generator) -> PromptGeometry:
    """The prompts so far, clicks on what ``predicted`` (s, s) has wrong, and ``predicted`` itself as the last mask."""
    g, truth = crop.geometry, crop.target[0].numpy() > 0.5
    clicks = prompt_simulation.corrections(predicted.numpy(), truth, rng, int(rng.choice([0, 1, 1, 2, 3])))
    at = torch.tensor([[c.row, c.col] for c in clicks]).reshape(-1, 2)
    sign = torch.tensor([c.positive for c in clicks], dtype=torch.bool)
    last = predicted.float().unsqueeze(0) * 2 - 1
    return PromptGeometry(torch.cat([g.clicks, at]), torch.cat([g.positive, sign]), g.box, last)


def _bin_loss(logits: Tensor, bins: Tensor) -> Tensor:
    """Cross-entropy to a target between two bins, shared by distance."""
    low = bins.floor().clamp(max=logits.shape[1] - 1).long()
    high = (low + 1).clamp(max=logits.shape[1] - 1)
    share = (bins - low).unsqueeze(1)
    log_p = logits.log_softmax(1)
    return -((1 - share) * log_p.gather(1, low.unsqueeze(1)) + share * log_p.gather(1, high.unsqueeze(1))).mean()


def start(config: TrainConfig) -> tuple[Trainer, BatchMaker]:
    """Read the data, build the model, fill in cards and pretrained weights."""
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    cards = read_cards((resources.files("napari_segsam.weights") / "class_cards.toml").read_text(encoding="utf-8"))
    vocabulary = Vocabulary.of(cards.values())
    samples = load(SAMed2D(config.data.root, config.data.split), vocabulary)
    samples = [s for s in samples if s.sample.dataset not in config.data.exclude]
    if not samples:
        raise UnreadableInputError(
            f"{config.data.root.name}: no picture is left to train on; see 'split' and 'exclude'."
        )
    sizes = preset(config.model, len(vocabulary))
    model = build(sizes)
    header = checkpoint.Header(sizes, vocabulary.names, vocabulary.aliases, vocabulary.modalities)
    if config.warm_start is not None:
        header = _warm_up(model, config.warm_start, vocabulary)
    else:
        model.class_cards.fill(embed_cards(cards.values()))
        if config.backbone is not None:
            _load_backbone(model, config.backbone)
    model.image_encoder.to(memory_format=torch.channels_last)  # a quarter faster on CPUs
    told = partial_labels(samples, len(vocabulary))
    mean_objects = float(np.mean([len(s.known) for s in samples]))
    trainer = Trainer(config, model, header, losses.no_object_weight(sizes.n_co, mean_objects))
    return trainer, BatchMaker(samples, told, config, sizes)


def _warm_up(model: SegSam, path: Path, vocabulary: Vocabulary) -> checkpoint.Header:
    """Take over a checkpoint's weights; returns its header."""
    try:
        other, header = checkpoint.load(path)
        model.load_state_dict(other.state_dict())
    except (checkpoint.CheckpointError, RuntimeError) as error:
        raise BadCheckpointError(f"{path.name} cannot be the warm start of this model: {_said(error)}.") from error
    if header.names != vocabulary.names:  # the same weights would get other names
        raise BadCheckpointError(f"{path.name} names other classes than the class cards do; start from another one.")
    return header


def _load_backbone(model: SegSam, path: Path) -> None:
    """Take over a pretrained MobileNetV2's weights; its classifier is left out."""
    try:
        tensors = {k: v.float() for k, v in load_file(path).items() if not k.startswith("head.")}
        model.image_encoder.backbone.load_state_dict(tensors)  # type: ignore[union-attr]
    except (SafetensorError, OSError, RuntimeError) as error:
        raise BadCheckpointError(
            f"{path.name} holds no MobileNetV2 that 'backbone' can start from: {_said(error)}."
        ) from error


def train(config_path: Path, resume: bool = False) -> Path:
    """Run (or go on with) what ``config_path`` says; returns the exported checkpoint's path.

    Raises:
        SegsamError: a bad config, data set or run folder, a run in the way, or a loss that is not finite.
    """
    config = read_config(config_path)
    _claim(config.run, resume)
    trainer, maker = start(config)
    if resume:
        trainer.resume()
    log_path = config.run / LOG
    run_log.keep_rows_before(log_path, trainer.step)
    began = time.monotonic()
    for step, batch in maker.stream(trainer.step, config.steps):
        terms = trainer.learn(batch)
        run_log.append(log_path, {"step": step, **terms, "seconds": time.monotonic() - began})
        if step % 50 == 0:
            log.info("step %d of %d: %s", step, config.steps, ", ".join(f"{k} {v:.3f}" for k, v in terms.items()))
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            trainer.save()
            write_curves(log_path, config.run / CURVES)
    if config.calibrate:
        _calibrate(config)
    return config.run / MODEL


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
        calibrate(config.run / MODEL, data.root, "val", exclude=data.exclude)
    except UnreadableInputError as error:  # the model is trained all the same
        log.warning("not calibrated: %s", error)
    except checkpoint.CheckpointError as error:
        raise TrainingError(f"{config.run / MODEL}: {error}; train with a lower learning_rate.") from error
    except (SafetensorError, OSError) as error:
        raise WriteError(
            f"{config.run / MODEL}: the fitted scores were not saved ({_said(error)}); free some space and go on with "
            "--resume."
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
