"""One run's model, moving average and optimiser: a step, its state on disk, and the way back from there."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from napari_segsam.core.errors import BadCheckpointError, SegsamError, WriteError
from napari_segsam.io.atomic import replacing
from napari_segsam.model import checkpoint
from napari_segsam.model.sam_weights import is_branch
from napari_segsam.model.segsam import SegSam
from napari_segsam.train.batches import Batch
from napari_segsam.train.config import TrainConfig
from napari_segsam.train.objective import TERMS, Objective, Shares

STATE, MODEL = "state.safetensors", "model.safetensors"
_MAY_CHANGE = {"run", "steps", "save_every", "calibrate", "device", "threads", "workers", "backbone", "warm_start"}
"""Keys of the config that may differ when a run is resumed: they change its length, its place or its pace."""
_BEFORE = {"priors.model": None}
"""What a run was told whose state is older than the key."""
_READABLE = 240
"""Characters of a library's message: torch names every tensor that does not fit."""


class TrainingError(SegsamError):
    """A run that cannot go on; says at which step and on which files."""


@dataclass
class Trainer:
    """Model, moving average and optimiser of one run.

    Attributes:
        config: what the run was told.
        model: being trained.
        header: goes into the checkpoint.
        w0: weight of "no object" in set prediction.
        accelerator: the device, and the other processes where there are any.
        step: next step.
        average: moving average of the model's weights, which is what gets exported.
        optimiser: AdamW, the backbone at a lower rate.
    """

    config: TrainConfig
    model: SegSam
    header: checkpoint.Header
    w0: float
    accelerator: Accelerator
    step: int = 0
    average: dict[str, Tensor] = field(init=False)
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.model.to(self.accelerator.device)
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(self._groups(), lr=self.config.learning_rate)
        self.objective = self.accelerator.prepare_model(Objective(self.model, self.config, self.w0))

    def _groups(self) -> list[dict]:  # type: ignore[type-arg]
        """Backbone slow; convolutions fast; attention at half, it breaks first; no decay on biases and norms."""
        grouped: dict[tuple[float, float], list[Tensor]] = {}
        for name, p in self.model.named_parameters():
            if p.requires_grad:
                decay = self.config.weight_decay if p.ndim > 1 else 0.0
                grouped.setdefault((self._rate_of(name), decay), []).append(p)
        return [{"params": ps, "rate": rate, "weight_decay": decay} for (rate, decay), ps in grouped.items()]

    def _rate_of(self, name: str) -> float:
        """A parameter's rate relative to the run's: what comes pretrained is changed slowly."""
        beside = self.model.config.branch != "none" and is_branch(name)
        added = beside or "lora_" in name or ".Adapter." in name or ".neck." in name
        pretrained = ".backbone." in name or (name.startswith("image_encoder.") and self.model.config.zoom is None)
        if pretrained and not added:
            return self.config.backbone_rate
        return 1.0 if name.startswith("image_encoder.") else 0.5

    def rate(self, step: int) -> float:
        """Warm-up, then a cosine to zero at the last step."""
        c = self.config
        return c.learning_rate * min((step + 1) / max(c.warm_up, 1), 1) * 0.5 * (1 + math.cos(math.pi * step / c.steps))

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step of all processes; returns everyone's loss terms, NaN where there was nothing to learn.

        Raises:
            TrainingError: the loss is not finite, and names the batch's files; or no term could teach this model.
        """
        self.model.train()
        shares: Shares = self.objective(batch, self.step)
        weights = self._weights()
        nothing = torch.zeros(2, device=self.accelerator.device)
        mine = torch.stack([shares.get(name, nothing).detach() for name in TERMS])
        sums, counts = self.accelerator.reduce(mine, "sum").unbind(1)
        there = {name: n > 0 for name, n in zip(TERMS, counts.tolist(), strict=True)}
        counts = counts.clamp(min=1e-6)
        terms = dict(zip(TERMS, (sums / counts).tolist(), strict=True))
        total = sum(value * weights[name] for name, value in terms.items() if weights[name] and there[name])
        if not math.isfinite(total):
            raise TrainingError(f"The loss is {total} at step {self.step}; look at: {', '.join(batch.names)}.")
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(self.step) * group["rate"]
        self.optimiser.zero_grad(set_to_none=True)
        taught = [shares[n][0] * (weights[n] / counts[i]) for i, n in enumerate(TERMS) if weights[n] and n in shares]
        if not any(t.requires_grad for t in taught):
            raise TrainingError(
                "No term of [losses] that has a weight can teach this [method]; give another one a weight."
            )
        # Gradients are averaged over processes, and the loss is a sum over them.
        self.accelerator.backward(torch.stack(taught).sum() * self.accelerator.num_processes)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self._follow()
        self.step += 1
        return {"total": total} | {name: value if there[name] else math.nan for name, value in terms.items()}

    def _weights(self) -> dict[str, float]:
        w = self.config.losses
        ramp = min(self.step / max(0.1 * self.config.steps, 1), 1.0)
        return {name: getattr(w, name) for name in TERMS} | {"alignment": w.alignment * ramp}

    def _follow(self) -> None:
        """Move the average, on a GPU in one kernel instead of hundreds; whole numbers, which have none, are copied."""
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        now = self.model.state_dict()
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        real = [name for name, value in now.items() if value.is_floating_point()]
        update([self.average[name] for name in real], [now[name] for name in real], None)
        for name in now.keys() - set(real):
            self.average[name].copy_(now[name])

    def save(self) -> None:
        """State for resuming and the averaged model for use; both appear whole or not at all.

        Raises:
            WriteError: the disk is full or gone; what was saved before is still there.
        """
        run = self.config.run
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{k}": v for k, v in state.items()}
        said = {"step": str(self.step), "config": json.dumps(_compared(self.config))}
        try:
            with replacing(run / STATE, run / MODEL) as (state, model):
                save_file({k: v.cpu().contiguous() for k, v in tensors.items()}, state, said)
                checkpoint.write(model, checkpoint.stored(self.average), self.header)
        except SafetensorError as error:  # it has errors of its own for what the system refuses
            raise WriteError(
                f"{run}: step {self.step} was not saved ({last_line(error)}); free some space and go on with --resume."
            ) from error

    def resume(self) -> None:
        """Go on from the run folder's state.

        Raises:
            BadCheckpointError: there is none, it is damaged, or it belongs to another model.
            TrainingError: the config says something else than the one that the run was started with.
        """
        path = self.config.run / STATE
        if not path.is_file():
            raise BadCheckpointError(f"There is nothing to resume in {self.config.run.name}: no {STATE}.")
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                said = file.metadata()
            step, then = int(said["step"]), json.loads(said.get("config", "null"))
            self._check_same(then)
            tensors = load_file(path)
            if not all(bool(torch.isfinite(t).all()) for t in tensors.values() if t.is_floating_point()):
                raise ValueError("it holds numbers that are not finite")
            self._restore(tensors)
        except (SafetensorError, OSError, LookupError, TypeError, RuntimeError, ValueError) as error:
            raise BadCheckpointError(
                f"{path.name} is no state of this run ({last_line(error)}); start in another folder, without --resume."
            ) from error
        self.step = step

    def _check_same(self, then: dict[str, object] | None) -> None:
        now, then = _compared(self.config), _BEFORE | (then or {})
        for key in sorted(now.keys() & then.keys()):
            if then[key] != now[key]:
                raise TrainingError(
                    f"'{key}' was {json.dumps(then[key])} when this run was started and is {json.dumps(now[key])} now; "
                    "put it back, or start another run with warm_start."
                )

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        """Copy every tensor to where an uninterrupted run has it.

        Those that were read lie in the file itself, which Windows does not let us replace while anyone holds them;
        and one that lies in memory otherwise than its parameter makes a GPU take all of them one by one.
        """
        self.model.load_state_dict(_under(tensors, "model."))
        average = _under(tensors, "average.")
        for name, value in self.average.items():
            value.copy_(average[name])
        learned = [p for group in self.optimiser.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _under(tensors, "optimiser.").items():
            index, key = name.split(".", 1)
            own = value.clone() if key == "step" else torch.empty_like(learned[int(index)]).copy_(value)
            state.setdefault(int(index), {})[key] = own
        self.optimiser.load_state_dict({"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]})


def _compared(config: TrainConfig) -> dict[str, object]:
    """What of a config must not change within a run, flat: ``losses.text`` and the like."""
    whole = config.model_dump(mode="json", exclude=_MAY_CHANGE)
    del whole["data"]["root"]
    if config.priors.model is not None:  # a file may be moved
        whole["priors"]["model"] = Path(config.priors.model).name
    flat: dict[str, object] = {}
    for key, value in whole.items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def last_line(error: Exception) -> str:
    """The last line of what a library says, which is the one that counts, and not more of it than can be read."""
    return textwrap.shorten(str(error).splitlines()[-1].strip().rstrip("."), _READABLE, placeholder=" ...")


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
