"""A folder in the SA-Med2D layout, small enough for a test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 48
CLASSES = {"Liver": 1, "spleen": 2, "union_organs": 3, "thing": 4}
GREYS = {1: 80, 2: 170, 4: 230}


def disk(row: float, col: float, radius: float, side: int = SIDE) -> np.ndarray:
    rows, cols = np.mgrid[:side, :side]
    return np.hypot(rows - row, cols - col) <= radius


def objects(number: int) -> dict[int, np.ndarray]:
    """Class id -> mask, a little elsewhere on each picture."""
    return {1: disk(14 + number, 15, 9), 2: disk(32, 33 - number, 8), 4: disk(10, 40, 4)}


def write(root: Path, pictures: int = 6, modality: str = "ct_00") -> Path:
    """Half of the pictures in data set A, half in B; the last two are the validation split."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    rng = np.random.default_rng(0)
    listing = {}
    for n in range(pictures):
        stem = f"{modality}--{'AB'[n % 2]}--case{n}--z_{n:04d}"
        picture = rng.normal(30, 8, (SIDE, SIDE))
        masks = []
        for class_id, mask in objects(n).items():
            picture[mask] += GREYS[class_id]
            name = f"masks/{stem}--{class_id:04d}_000.png"
            Image.fromarray(mask).save(root / name)
            masks.append(name)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(root / f"images/{stem}.png")
        listing[f"images/{stem}.png"] = masks
    describe(root, listing)
    (root / "split.json").write_text(json.dumps({"train": list(listing)[:-2], "val": list(listing)[-2:]}))
    return root


def describe(root: Path, listing: dict[str, list[str]], mapping: object = None) -> None:
    (root / "SAMed2D_v1.json").write_text(json.dumps(listing))
    (root / "SAMed2D_v1_class_mapping_id.json").write_text(json.dumps(mapping or {"A": CLASSES, "B": CLASSES}))


def listing_of(root: Path) -> dict[str, list[str]]:
    listing: dict[str, list[str]] = json.loads((root / "SAMed2D_v1.json").read_text())
    return listing


def first(root: Path) -> tuple[str, list[str], dict[str, list[str]]]:
    """The first picture and its masks, and the whole listing."""
    listing = listing_of(root)
    image = next(iter(listing))
    return image, listing[image], listing
