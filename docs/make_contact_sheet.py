"""The picture of the page on synthetic pictures: some of each style, each with one of its objects outlined.

python docs/make_contact_sheet.py [--out docs/images/synthetic.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_segsam.train.data import synthetic

SIDE, TILE, COLUMNS = 256, 128, 6
SHOWN = {"CT": 6, "MR": 6, "ultrasound": 6, "X-ray": 6, "microscopy": 6, "PET": 3, "OCT": 3}
"""Pictures of each style; two of the others."""
OUTLINE = (255, 215, 0)


def tile(style: str, seed: int) -> NDArray[np.uint8]:
    """(128, 128, 3) picture with the outline of its largest object of at most a quarter of it."""
    picture, masks = synthetic.picture(np.random.default_rng(seed), SIDE, style)
    shown = np.asarray(Image.fromarray(picture).convert("RGB").resize((TILE, TILE), Image.Resampling.BOX)).copy()
    mask = max(masks, key=lambda m: m.sum() if m.mean() < 0.25 else 1 / m.sum())
    small = mask.reshape(TILE, SIDE // TILE, TILE, SIDE // TILE).mean((1, 3)) >= 0.5
    shown[small & ~ndimage.binary_erosion(small)] = OUTLINE
    return shown


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images/synthetic.png"))
    out = parser.parse_args().out
    styles = sorted(synthetic.STYLES, key=[*SHOWN, "fundus", "dermoscopy", "endoscopy"].index)
    tiles = [tile(style, 100 * k + 20 + i) for k, style in enumerate(styles) for i in range(SHOWN.get(style, 2))]
    rows = [np.concatenate(tiles[i : i + COLUMNS], 1) for i in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).quantize(256, kmeans=3).save(out, optimize=True)
    print(out)


if __name__ == "__main__":
    main()
