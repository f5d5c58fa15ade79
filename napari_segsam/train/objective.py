"""What one batch teaches: every term of SEG-SAM's loss as a sum and a weight, so that processes can add them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.engine.zoom import PromptGeometry
from napari_segsam.model.segsam import SegSam, SegSamOutput
from napari_segsam.model.semantic_decoder import SemanticOutput, Unprompted
from napari_segsam.model.zoom_encoder import SliceFeatures
from napari_segsam.train import losses, prompt_simulation
from napari_segsam.train.batches import Batch
from napari_segsam.train.config import TrainConfig
from napari_segsam.train.crops import PromptedCrop, to_model
from napari_segsam.train.draws import draws

TERMS = ("binary", "semantic", "alignment", "classes", "text", "size", "co_classes", "co_masks")
_ORACLE_TOLD = 0.5
"""Share of prompts that the oracle text mode tells their class in training; it has to answer without it as well."""

Shares = dict[str, Tensor]
"""Term -> (2,) sum over this process's part of the batch, and the weight to divide all processes' sums by."""


@dataclass
class _Step:
    """A batch on the model's device, with its random numbers' seed; ``named`` are the prompts whose class is known."""

    batch: Batch
    features: SliceFeatures
    targets: Tensor
    classes: Tensor
    named: Tensor
    ambiguous: Tensor
    beyond: Tensor
    number: int


class Objective(nn.Module):
    """The model and what it is taught; a module of its own, so that data parallelism can wrap all of one step."""

    def __init__(self, model: SegSam, config: TrainConfig, w0: float) -> None:
        """``w0`` is the weight of "no object" in set prediction."""
        super().__init__()
        self.model, self.config, self.w0 = model, config, w0

    def forward(self, batch: Batch, step: int) -> Shares:
        """All terms of one batch, corrections included where this step has them."""
        device = next(self.model.parameters()).device
        with self._precision(device):
            slices = batch.slices.to(device, non_blocking=True)
            features = self.model.encode(slices, self.config.train_slice_backbone)
        crops = batch.crops
        now = _Step(
            batch,
            features.of(batch.owner.to(device, non_blocking=True)),
            torch.stack([c.target for c in crops]).to(device, non_blocking=True),
            _on(device, [c.class_index for c in crops]),
            _on(device, [i for i, c in enumerate(crops) if c.class_index >= 0], torch.long),
            _on(device, [c.ambiguous for c in crops]),
            _on(device, [c.beyond for c in crops]),
            step,
        )
        geometries = [c.geometry for c in crops]
        first = self._ask(now, geometries)
        passes = [self._mask_terms(now, first, now.ambiguous)]
        for number, wanted in enumerate(self._rounds(step)):
            geometries = [
                self._corrected(c, g, m, wanted, self._correction(step, c.lot, number))
                for c, g, m in zip(crops, geometries, passes[-1][1].cpu(), strict=True)
            ]
            answer = self._ask(now, geometries, self._longest(step, number, wanted))
            passes.append(self._mask_terms(now, answer, torch.zeros_like(now.ambiguous)))
        shares = {name: torch.stack([terms[name] for terms, _ in passes]).mean(0) for name in passes[0][0]}
        with self._precision(device):
            unprompted = self.model.unprompted(features).to(torch.float32)
        return shares | self._size_term(now) | self._set_terms(now, first.semantic, unprompted)

    def _precision(self, device: torch.device) -> torch.autocast:
        """Layers in bfloat16 where the run says so; losses stay outside, in float32."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    def _ask(self, now: _Step, geometries: list[PromptGeometry], longest: int = 2) -> SegSamOutput:
        device = now.targets.device
        prompts, look = to_model(geometries, now.batch.crops, self.model.prompt_encoder.mask_input_size[0], longest)
        told = None
        if self.model.config.text_mode == "oracle":
            chance = [draws(self.config.seed, now.number, "told its class", c.lot).random() for c in now.batch.crops]
            told = now.classes.masked_fill(_on(device, [x >= _ORACLE_TOLD for x in chance]), -1)
        with self._precision(device):
            answer: SegSamOutput = self.model(
                now.features,
                prompts.to(device, non_blocking=True),
                None if look is None else look.to(device, non_blocking=True),
                told,
            )
        answer = answer.to(torch.float32)
        side = now.targets.shape[-1]
        if answer.mask_logits.shape[-1] != side:  # SAM's masks are a quarter of the slice's side
            answer.mask_logits, answer.semantic.mask_logits = (
                F.interpolate(m, (side, side), mode="bilinear", align_corners=False)
                for m in (answer.mask_logits, answer.semantic.mask_logits)
            )
        return answer

    def _rounds(self, step: int) -> list[int | None]:
        """Corrective passes of this step and the clicks that each adds; None: as many as a hand would."""
        rng = draws(self.config.seed, step, "rounds")
        if self.config.simulation == "sam-med2d":
            return list(prompt_simulation.med2d_rounds(self.config.iterations, rng))
        return [None] if rng.random() < self.config.corrections else []

    def _correction(self, step: int, lot: int, number: int) -> np.random.Generator:
        return draws(self.config.seed, step, "correction", lot, number)

    def _longest(self, step: int, number: int, wanted: int | None) -> int:
        """Points of the longest prompt in all processes' parts of a pass: padding is seen, so all have to pad alike."""
        if wanted is not None:
            return wanted + 1
        lots = range(self.config.images * self.config.prompts)
        return 2 + max(prompt_simulation.hands_clicks(self._correction(step, lot, number)) for lot in lots)

    def _corrected(
        self, crop: PromptedCrop, g: PromptGeometry, predicted: Tensor, wanted: int | None, rng: np.random.Generator
    ) -> PromptGeometry:
        """Clicks on what ``predicted`` (s, s) has wrong, and ``predicted`` as the last mask.

        A hand adds them to the prompts so far; SAM-Med2D has them in the place of box and clicks.
        """
        last = predicted.float().unsqueeze(0) * 2 - 1
        n = prompt_simulation.hands_clicks(rng) if wanted is None else wanted
        clicks = prompt_simulation.corrections(predicted.numpy(), crop.target[0].numpy() > 0.5, rng, n)
        at = torch.tensor([[c.row, c.col] for c in clicks]).reshape(-1, 2)
        sign = torch.tensor([c.positive for c in clicks], dtype=torch.bool)
        if wanted is not None:
            return PromptGeometry(at, sign, None, last)
        return PromptGeometry(torch.cat([g.clicks, at]), torch.cat([g.positive, sign]), g.box, last)

    def _mask_terms(self, now: _Step, output: SegSamOutput, ambiguous: Tensor) -> tuple[Shares, Tensor]:
        w, target, p = self.config.losses, now.targets, len(now.targets)
        binary, chosen = losses.binary_loss(output.mask_logits, output.iou, target, ambiguous, w.pixel, now.beyond)
        picked = output.mask_logits[torch.arange(p, device=target.device), chosen]
        semantic = output.semantic.mask_logits
        return {
            "binary": _share(binary.sum(), p),
            "semantic": _share(losses.mask_loss(semantic, target, w.pixel).sum(), p),
            "alignment": _share(
                losses.alignment_loss(picked, semantic[:, 0], w.alignment_kind, w.alignment_stop_gradient).sum(), p
            ),
            "classes": _so_class_share(now, output.semantic),
            "text": _class_share(now, output.text_logits),
        }, (picked.detach() > 0)

    def _size_term(self, now: _Step) -> Shares:
        if self.model.config.zoom is None:
            return {}
        device, crops = now.targets.device, now.batch.crops
        with self._precision(device):
            sizes = self.model.size_head(now.features, _on(device, [c.size_click for c in crops]))
        each = _bin_loss(sizes.float(), _on(device, [c.size_bin for c in crops]))
        return {"size": _share(each.sum(), len(crops))}

    def _set_terms(self, now: _Step, prompted: Unprompted, unprompted: Unprompted) -> Shares:
        """Set prediction for the prompts (all but the prompted object) and for the slices alone."""
        if self.model.config.co == "off":
            return {}
        batch, device = now.batch, now.targets.device
        targets = [c.others for c in batch.crops], batch.present
        rows, slices = (_on(device, [i for i, t in enumerate(ts) if t is not None], torch.long) for ts in targets)
        logits = torch.cat([prompted.co_class_logits[rows], unprompted.co_class_logits[slices]])
        masks = None
        if unprompted.co_mask_logits is not None and prompted.co_mask_logits is not None:
            masks = torch.cat([prompted.co_mask_logits[rows], unprompted.co_mask_logits[slices]])
        tied = self.model.config.co != "hungarian"
        told = [t.to(device, non_blocking=True) for ts in targets for t in ts if t is not None]
        loss = losses.set_loss(logits, masks, told, self.w0, tied)
        return {
            "co_classes": _share(loss.classes, loss.class_weight),
            "co_masks": _share(loss.masks, loss.mask_weight),
        }


def _on(device: torch.device, values: list[Any], dtype: torch.dtype | None = None) -> Tensor:
    """A list as a tensor; a GPU is not waited for."""
    return torch.tensor(values, dtype=dtype).to(device, non_blocking=True)


def _share(total: Tensor, weight: float) -> Tensor:
    return torch.stack([total, torch.full_like(total, weight)])


def _so_class_share(now: _Step, said: SemanticOutput) -> Tensor:
    """What t_so learns of the prompted objects' classes: by its class logits, or by its mask for each class."""
    if said.class_masks is None:
        return _class_share(now, said.class_logits)
    each, target = said.class_masks[now.named], now.targets[now.named]
    return _share(losses.class_mask_loss(each, target, now.classes[now.named]).sum(), len(now.named))


def _class_share(now: _Step, logits: Tensor | None) -> Tensor:
    """Cross-entropy of (P, K) logits where the class is known; nothing without logits."""
    if logits is None:
        return torch.zeros(2, device=now.classes.device)
    named = F.cross_entropy(logits[now.named], now.classes[now.named], reduction="sum")
    return _share(named, len(now.named))


def _bin_loss(logits: Tensor, bins: Tensor) -> Tensor:
    """(P, bins) logits, (P,) fractional bins -> (P,) cross-entropy to a target shared by two bins by distance."""
    low = bins.floor().clamp(max=logits.shape[1] - 1).long()
    high = (low + 1).clamp(max=logits.shape[1] - 1)
    share = (bins - low).unsqueeze(1)
    log_p = logits.log_softmax(1)
    return -((1 - share) * log_p.gather(1, low.unsqueeze(1)) + share * log_p.gather(1, high.unsqueeze(1))).squeeze(1)
