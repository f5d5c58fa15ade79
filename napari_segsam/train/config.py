"""What a training run is told, in one TOML file that a person writes; unknown keys are refused."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.model_choice import ModelChoice
from napari_segsam.io.faults import first_fault
from napari_segsam.io.registry import registry
from napari_segsam.model.config import (
    Branch,
    ClsHead,
    Co,
    Decoders,
    EncoderMode,
    SawInit,
    SegSamConfig,
    TextFuse,
    TextMode,
    TextTo,
)

Weight = Annotated[StrictFloat, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(_Strict):
    """Where pictures come from: a folder in the SA-Med2D layout and a share of procedural ones.

    Attributes:
        root, split: the folder, and which pictures of its ``split.json``.
        synthetic: share of procedural pictures, see ``train/data/synthetic``.
        exclude: data sets to leave out.
        unions: what becomes of ``union_*`` masks: ``drop`` them, or take each for the class that covers most of it.
        partial_labels: an object that a data set does not annotate is unknown; false takes it for absent.
    """

    root: Path
    split: Literal["train", "val", "all"] = "train"
    synthetic: StrictFloat = Field(0.12, ge=0, le=1)
    exclude: tuple[str, ...] = ()
    unions: Literal["drop", "atom"] = "drop"
    partial_labels: StrictBool = True


class MethodConfig(_Strict):
    """What the paper leaves open, by the names of ``SegSamConfig``; what is not said is as the preset has it."""

    img_size: Annotated[StrictInt, Field(ge=64, multiple_of=16)] | None = None
    encoder_mode: EncoderMode | None = None
    branch: Branch | None = None
    decoders: Decoders | None = None
    saw_init: SawInit | None = None
    train_sag: StrictBool | None = None
    n_co: Annotated[StrictInt, Field(gt=0)] | None = None
    co: Co | None = None
    co_masks: StrictBool | None = None
    cls_head: ClsHead | None = None
    text_mode: TextMode | None = None
    text_to: TextTo | None = None
    text_fuse: TextFuse | None = None

    def of(self, sizes: SegSamConfig) -> SegSamConfig:
        """``sizes`` with what is said here."""
        return replace(sizes, **self.model_dump(exclude_none=True))


class LossWeights(_Strict):
    """Weights of the terms; 0 leaves one out.

    ``no_object`` weighs t_co that match nothing; without it they weigh as much as those that match, all together.
    """

    binary: Weight = 1.0
    semantic: Weight = 1.0
    classes: Weight = 0.5
    co_classes: Weight = 0.5
    co_masks: Weight = 0.5
    alignment: Weight = 0.5
    text: Weight = 0.25
    size: Weight = 0.2
    pixel: Literal["bce", "focal"] = "bce"
    alignment_kind: Literal["dice", "iou", "sqdice", "mse"] = "dice"
    alignment_stop_gradient: StrictBool = False
    no_object: Annotated[StrictFloat, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _teaches_something(self) -> LossWeights:
        # The alignment of two masks that learn nothing else teaches nothing, and its weight begins at 0.
        if not any(
            v for k, v in self.model_dump().items() if isinstance(v, float) and k not in ("alignment", "no_object")
        ):
            raise ValueError("no term has a weight from which masks or classes could be learned")
        return self


class PriorsConfig(_Strict):
    """SAMAug: learn from each picture as it is, and once more with another model's prior maps on it.

    Attributes:
        model: that model, as ``--model`` names it; None: pictures as they are.
        points: clicks along each side of a picture.
    """

    model: str | None = None
    points: Annotated[StrictInt, Field(ge=1, le=128)] = 32


class TrainConfig(_Strict):
    """One run.

    Attributes:
        data, losses, priors: see there.
        model: preset of the model's sizes.
        method: choices that differ from the preset.
        run: folder for the state to resume from, the checkpoint, the log and its curves.
        text_encoder: what reads the class cards, see ``train/text``; a warm start keeps its own.
        backbone: safetensors file of pretrained weights: a MobileNetV2 for ``nano``, SAM's for ``vit_*``.
        warm_start: a checkpoint whose weights to start from, with a fresh optimiser.
        images, prompts: pictures a step, and prompts on each; a picture with fewer objects is prompted again.
        simulation: ``hand`` imitates a person; ``sam-med2d`` prompts as published there.
        iterations: corrective passes of a ``sam-med2d`` step.
        boxes: share of box prompts; the rest are clicks.
        corrections: share of steps with a second pass of corrective clicks and the last mask, for ``hand``.
        calibrate: fit class scores on the ``val`` split when training is done.
        precision: ``bf16`` computes the network's layers in bfloat16 and the losses in float32.
        device: where to train; ``auto`` takes a CUDA GPU where there is one.
        threads: of torch on the CPU, 0 for torch's own choice.
        workers: processes that prepare batches; 0 for a thread.
        train_slice_backbone: for ``nano``: let the slice's view train the backbone too (the crops always do).
    """

    data: DataConfig
    run: Path
    losses: LossWeights = LossWeights()
    priors: PriorsConfig = PriorsConfig()
    model: Literal["nano", "vit_b", "vit_l", "vit_h"] = "nano"
    method: MethodConfig = MethodConfig()
    text_encoder: str = "minilm"
    backbone: Path | None = None
    warm_start: Path | None = None
    seed: StrictInt = Field(0, ge=0, lt=2**32)
    steps: StrictInt = Field(4000, gt=0)
    images: StrictInt = Field(8, gt=0)
    prompts: StrictInt = Field(2, gt=0)
    simulation: Literal["hand", "sam-med2d"] = "hand"
    iterations: StrictInt = Field(8, ge=0)
    boxes: StrictFloat = Field(0.6, ge=0, le=1)
    corrections: StrictFloat = Field(0.3, ge=0, le=1)
    learning_rate: StrictFloat = Field(2e-3, gt=0)
    backbone_rate: StrictFloat = Field(0.25, ge=0)
    weight_decay: StrictFloat = Field(1e-2, ge=0)
    warm_up: StrictInt = Field(200, ge=0)
    average: StrictFloat = Field(0.998, ge=0, lt=1)
    save_every: StrictInt = Field(250, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"
    train_slice_backbone: StrictBool = False
    calibrate: StrictBool = True
    device: Literal["auto", "cpu"] = "auto"
    threads: StrictInt = Field(0, ge=0, le=1024)
    workers: StrictInt = Field(0, ge=0, le=1024)

    @model_validator(mode="after")
    def _begins_in_one_way(self) -> TrainConfig:
        for other in ("backbone", "text_encoder"):
            if self.warm_start is not None and other in self.model_fields_set:
                raise ValueError(f"'warm_start' brings all weights and words along; leave '{other}' out")
        return self


def read_config(path: Path) -> TrainConfig:
    """A TOML file -> TrainConfig; relative paths count from the file's folder.

    Raises:
        UnreadableInputError: names the key that is wrong.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        config = TrainConfig.model_validate(values)
    except ValidationError as error:
        where, what = first_fault(error)
        raise UnreadableInputError(f"{path.name}: '{where}': {what}; see docs/how-to/train.md.") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableInputError(f"{path.name} cannot be read as TOML ({error}).") from error
    here = path.parent
    paths = ("run", "backbone", "warm_start")
    moved: dict[str, object] = {k: here / v for k in paths if (v := getattr(config, k)) is not None}
    moved["data"] = config.data.model_copy(update={"root": here / config.data.root})
    asked = config.priors.model
    if asked is not None and ModelChoice.of(asked).model not in registry():
        moved["priors"] = config.priors.model_copy(update={"model": str(here / asked)})
    return config.model_copy(update=moved)
