"""SEG-SAMs small enough for a test: the same parts and names as the real ones, random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segsam.core.grid import Grid
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.engine.predictor import SegSamPredictor, load_predictor
from napari_segsam.model import checkpoint
from napari_segsam.model.build import build
from napari_segsam.model.config import SegSamConfig, ZoomConfig
from napari_segsam.model.image_encoder import ViTSizes
from napari_segsam.model.prompt_tokens import PAD, PromptBatch
from napari_segsam.model.segsam import SegSam, Zoomed

NAMES = ("liver", "spleen", "kidney_left")
ZOOM = ZoomConfig(crop=32, least=8, widths=(8, 8, 8), size_bins=6)
TINY_NANO = SegSamConfig(
    encoder="mobilenet", img_size=64, dim=16, heads=2, mlp_dim=16, n_classes=3, n_co=4, n_aspects=2, text_dim=12,
    text_basis=6, cls_head="cosine", zoom=ZOOM,
)  # fmt: skip
TINY_VIT = replace(TINY_NANO, encoder="vit_b", cls_head="linear", zoom=None)
SLIM_VIT = ViTSizes(16, 2, 2, (1,))
"""To be put in the place of ViT-B's sizes: the decoders do not notice."""


def tiny(config: SegSamConfig = TINY_NANO, seed: int = 0) -> SegSam:
    """A model with random weights and random class cards."""
    torch.manual_seed(seed)
    model = build(config)
    model.class_cards.fill(torch.randn(config.n_classes, config.n_aspects, config.text_dim))
    return model.eval()


def trust_the_prior(model: SegSam) -> SegSam:
    """Let both decoders draw nothing of their own: their masks are the prompt's own prior, which a test can foresee."""
    kernels = [*model.mask_decoder.output_hypernetworks_mlps, model.semantic_decoder.hypernetwork]
    with torch.no_grad():
        for kernel in kernels:
            kernel.layers[-1].weight.zero_()
            kernel.layers[-1].bias.zero_()
    return model


def header_of(model: SegSam) -> checkpoint.Header:
    return checkpoint.Header(model.config, NAMES, {"hepar": "liver"}, {})


def saved(model: SegSam, folder: Path, name: str = "tiny") -> Path:
    path = folder / f"{name}.safetensors"
    checkpoint.save(path, model, header_of(model), torch.float32)
    return path


def loaded(model: SegSam, folder: Path) -> SegSamPredictor:
    """The model after a way through its file, as users get it."""
    return load_predictor(saved(model, folder), "cpu")


def prompts(labels: list[list[int]], side: int, seed: int = 0) -> PromptBatch:
    """Prompt points with these meanings somewhere on a square of ``side``; box corners in order."""
    random = torch.Generator().manual_seed(seed)
    meaning = torch.tensor(labels)
    xy = (torch.rand(*meaning.shape, 2, generator=random) * (side - 1)).sort(1).values
    return PromptBatch(torch.where((meaning == PAD).unsqueeze(-1), torch.zeros_like(xy), xy), meaning)


def zoomed(n: int, config: SegSamConfig = TINY_NANO, seed: int = 0) -> Zoomed:
    """``n`` random crops with random maps."""
    random = torch.Generator().manual_seed(seed)
    side = (config.zoom or ZOOM).crop
    crops, maps = (torch.rand(n, c, side, side, generator=random) * 2 - 1 for c in (3, 6))
    prior = torch.randn(n, 1, side, side, generator=random)
    return Zoomed(crops, maps, prior, torch.tensor([[4.0, 8.0, 36.0, 40.0]]).repeat(n, 1))


def picture_view(pixels: NDArray, spacing: tuple[float, float] = (1.0, 1.0), **volume: object) -> SliceView:  # type: ignore[type-arg]
    """(rows, cols) or (rows, cols, 3) pixels -> the axial slice that shows them just so."""
    voxels = pixels.swapaxes(0, 1)[:, :, None]
    affine = np.diag([spacing[1], spacing[0], 1.0, 1.0])
    return SliceView(Volume(Grid(voxels.shape[:3], affine), voxels, **volume), 2, 0)  # type: ignore[arg-type]
