"""What an evaluation notes: a row for each mask, and for each picture what the model named by itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One mask's result; the columns of the CSV file.

    ``correct`` is empty where the model has no name for the class; ``prompts`` is JSON, (row, column) in pixels.
    ``semantic_mask_dice`` is that of the semantic-aware decoder's mask, whatever class it names. ``seconds`` is what
    the answers took when they were made, what was learnt included where they are fused with it, without the picture's
    embedding and without learning.
    """

    prompt: str
    mode: str
    dataset: str
    modality: str
    image: str
    mask: str
    class_name: str
    dice: float
    iou: float
    oracle_dice: float
    semantic_mask_dice: float | None
    answer: str
    answer_score: float | None
    correct: bool | None
    iou_predicted: float | None
    decoder_agreement: float | None
    dice_by_click: str
    seconds: float
    prompts: str


@dataclass(frozen=True)
class Suggested:
    """A class that the model named unasked.

    Attributes:
        name, score: its own.
        dice: of its mask against all of the picture's masks of that class together; None where there is none.
    """

    name: str
    score: float
    dice: float | None


@dataclass(frozen=True)
class Seen:
    """What the model named by itself on one picture, beside what is there.

    Attributes:
        image: file name.
        suggested: one for each class, best first.
        annotated: the picture's classes that the model has names for, by those names.
        annotates: the same of all classes that the data set annotates on any picture.
    """

    image: str
    suggested: tuple[Suggested, ...]
    annotated: frozenset[str]
    annotates: frozenset[str]
