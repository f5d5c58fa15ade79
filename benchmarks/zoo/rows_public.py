"""The public way beside a row: segment_anything's model of the same input size, with what of the row's file fits it.

    python rows_public.py FILE vit_b 1024 SCENE [--no-box] [--no-click] [--masks FILE]

Prints JSON: seconds for the picture and for all prompts, and how many of the model's tensors the file had. A process of
its own, whose memory the caller reads.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rows_scans import Scene, scenes
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import nn

from napari_segsam.core.slices import SliceView
from napari_segsam.io.sandbox import read_volume
from napari_segsam.model.zoo.files.published import read_tensors

_SIZES = {"vit_b": (768, 12, 12, (2, 5, 8, 11)), "vit_l": (1024, 24, 16, (5, 11, 17, 23)),
          "vit_h": (1280, 32, 16, (7, 15, 23, 31))}  # fmt: skip
"""Width, depth, heads, global blocks (segment_anything, build_sam.py)."""
_BEFORE = ("sam.", "sam_img_encoder.", "sam_prompt_encoder.", "sam_mask_decoder.")
"""What relatives write into SAM's names."""


def public(size: str, side: int) -> Sam:
    """SAM as its authors build it, but for the side of its square."""
    width, depth, heads, everywhere = _SIZES[size]
    cells = (side // 16, side // 16)
    return Sam(
        ImageEncoderViT(
            img_size=side, patch_size=16, embed_dim=width, depth=depth, num_heads=heads, mlp_ratio=4, out_chans=256,
            qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=14,
            global_attn_indexes=everywhere,
        ),
        PromptEncoder(embed_dim=256, image_embedding_size=cells, input_image_size=(side, side), mask_in_chans=16),
        MaskDecoder(
            num_multimask_outputs=3, transformer_dim=256, iou_head_depth=3, iou_head_hidden_dim=256,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
        ),
    ).eval()  # fmt: skip


def filled_from(path: Path, model: Sam) -> int:
    """Load what of a file has SAM's names and shapes; how many tensors that are."""
    wanted = model.state_dict()
    plain = {_plain(name): tensor for name, tensor in read_tensors(path).items()}
    fitting = {k: t for k, t in plain.items() if k in wanted and t.shape == wanted[k].shape}
    model.load_state_dict(fitting, strict=False)
    return len(fitting)


def _plain(name: str) -> str:
    for before in _BEFORE:
        name = name.replace(before, "")
    return name


def picture(scene: Scene) -> tuple[SliceView, NDArray[np.uint8]]:
    """The slice, and (rows, cols, 3) of it in 0..255: CT through a window for soft tissue."""
    view = SliceView(read_volume(scene.path), 2, scene.slice)
    pixels = np.asarray(view.pixels)
    if pixels.ndim == 3:
        return view, pixels.astype(np.uint8)
    grey = np.clip((pixels.astype(np.float32) + 160) / 400 * 255, 0, 255).astype(np.uint8)
    return view, np.repeat(grey[..., None], 3, axis=2)


def main() -> None:
    """Load, embed, answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("size", choices=_SIZES)
    parser.add_argument("side", type=int)
    parser.add_argument("scene")
    parser.add_argument("--no-box", action="store_true")
    parser.add_argument("--no-click", action="store_true")
    parser.add_argument("--masks", type=Path, help="an .npz to write: the mask of each prompt, on the slice")
    asked = parser.parse_args()
    model = public(asked.size, asked.side)
    tensors, predictor = filled_from(asked.file, model), SamPredictor(model)
    scene = scenes()[asked.scene]
    view, image = picture(scene)
    began = time.perf_counter()
    masks: dict[str, NDArray[np.bool_]] = {}
    with torch.inference_mode():
        predictor.set_image(image)
        embedded = time.perf_counter()
        if not asked.no_box:
            corners = view.ijk_to_rc(np.array(scene.box, float))[:, ::-1]
            box = np.concatenate([corners.min(0), corners.max(0)])
            masks["box"] = predictor.predict(box=box, multimask_output=False)[0][0]
        if not asked.no_click:
            point = view.ijk_to_rc(np.array([scene.click], float))[:, ::-1]
            drawn, iou, _ = predictor.predict(point, np.array([1]))
            masks["click"] = drawn[int(iou.argmax())]
    answered = time.perf_counter()
    if asked.masks:
        np.savez(asked.masks, **masks)
    seconds = {"embed": embedded - began, "decode": answered - embedded}
    print(json.dumps(seconds | {"tensors": tensors, "of": len(model.state_dict())}))


if __name__ == "__main__":
    main()
