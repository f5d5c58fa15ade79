"""The rows of the ablation: for each, which keys of the training configuration differ from the default training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_segsam.core.errors import UnknownNameError

Changes = Mapping[str, Mapping[str, object]]
"""Table of the configuration -> keys in it."""


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: in the command, in folders and in the CSV.
        title: in the page.
        changes: against the default training.
        against: name of the row that it is compared with, "" for none.
    """

    name: str
    title: str
    changes: Changes
    against: str = "full"


_NO_TEXT = {"text_mode": "off"}
_NO_CO = {"co": "off", "co_masks": False}

LADDER = (
    Row(
        "sam",
        "SAM alone: prompts, its own decoder",
        {
            "losses": {"semantic": 0, "classes": 0, "co_classes": 0, "co_masks": 0, "alignment": 0, "text": 0},
            "method": _NO_CO | _NO_TEXT,
        },
        "",
    ),
    Row(
        "semantic_decoder",
        "+ semantic-aware decoder with t_so",
        {"losses": {"co_classes": 0, "co_masks": 0, "alignment": 0, "text": 0}, "method": _NO_CO | _NO_TEXT},
        "sam",
    ),
    Row("t_co", "+ t_co", {"losses": {"alignment": 0, "text": 0}, "method": _NO_TEXT}, "semantic_decoder"),
    Row("text", "+ text-to-vision, t_text", {"losses": {"alignment": 0}}, "t_co"),
    Row("full", "+ cross-mask alignment", {}, "text"),
)

ONE_CHANGE = (
    Row("shared_decoder", "one decoder for both", {"method": {"decoders": "shared"}}),
    Row("saw_random", "semantic-aware decoder begins at random", {"method": {"saw_init": "random"}}),
    Row("sag_frozen", "SAM's decoder stays as it begins", {"method": {"train_sag": False}}),
    Row("linear_head", "linear class head", {"method": {"cls_head": "linear"}}),
    Row("class_queries", "t_co: one query for each class", {"method": {"co": "class_queries"}}),
    Row(
        "pooled",
        "t_co: pooled, no masks",
        {"losses": {"co_masks": 0}, "method": {"co": "pooled", "co_masks": False}},
    ),
    Row("no_co_masks", "t_co draw no masks", {"losses": {"co_masks": 0}, "method": {"co_masks": False}}),
    Row("no_object_0.1", "no-object weight 0.1", {"losses": {"no_object": 0.1}}),
    Row("text_attention", "t_text asks without the region", {"method": {"text_mode": "attention"}}),
    Row("text_mean", "t_text is the mean of all cards", {"method": {"text_mode": "mean"}}),
    Row("text_oracle", "t_text is the true class's card", {"method": {"text_mode": "oracle"}}),
    Row("text_add", "t_text added to the prompt tokens", {"method": {"text_fuse": "add"}}),
    Row("text_saw", "t_text to the semantic-aware decoder only", {"method": {"text_to": "saw"}}),
    Row("align_iou", "alignment by IoU", {"losses": {"alignment_kind": "iou"}}),
    Row("align_sqdice", "alignment by squared Dice", {"losses": {"alignment_kind": "sqdice"}}),
    Row("align_mse", "alignment by squared error", {"losses": {"alignment_kind": "mse"}}),
    Row("align_stop", "alignment with the other mask held", {"losses": {"alignment_stop_gradient": True}}),
    Row("all_labels", "no partial labels", {"data": {"partial_labels": False}}),
    Row("no_synthetic", "no procedural pictures", {"data": {"synthetic": 0}}),
    Row("resnet_beside", "a ResNet-34 beside the backbone, as in SAM-UNet", {"method": {"branch": "resnet34"}}),
    Row("frozen_backbone", "backbone frozen", {"method": {"encoder_mode": "frozen"}}),
    Row("focal", "focal instead of cross-entropy", {"losses": {"pixel": "focal"}}),
)

FEW_CLASSES = (Row("k_masks", "t_so draws a mask for each class", {"method": {"cls_head": "k_masks"}}, "linear_head"),)
"""Chosen by name only, for data of so few classes that training offers them."""

ROWS = {row.name: row for row in (*LADDER, *ONE_CHANGE, *FEW_CLASSES)}


def chosen(names: str) -> tuple[Row, ...]:
    """``ladder``, ``all`` (but for those of few classes), or names with commas -> rows in the table's order.

    Raises:
        UnknownNameError: a row has another name.
    """
    groups: Mapping[str, Sequence[Row]] = {"ladder": LADDER, "all": (*LADDER, *ONE_CHANGE)}
    if names in groups:
        return tuple(groups[names])
    asked = names.split(",")
    for name in asked:
        if name not in ROWS:
            raise UnknownNameError("row", name, ("ladder", "all", *ROWS))
    return tuple(row for row in ROWS.values() if row.name in asked)
