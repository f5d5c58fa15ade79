"""Weights of a published SAM as the start of a SEG-SAM, at another picture size where that is wanted."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from napari_segsam.model.segsam import SegSam

_VIT = ".sam_img_encoder."
"""In the names of a ViT's tensors where another branch stands beside it."""


def fitted_to(model: SegSam, published: dict[str, Tensor]) -> None:
    """Load SAM's image encoder, prompt encoder and mask decoder into a ViT SEG-SAM, and its decoder into Dec_saw too.

    Position embeddings are resampled where the picture size differs: the absolute one bilinearly, each relative one
    linearly along its axis. Parts that the file has not (text, classes, t_co, adapters, a branch) keep their random
    start, and so does all of Dec_saw with ``saw_init="random"``.

    Args:
        model: without zoom.
        published: tensors under SAM's own names.

    Raises:
        RuntimeError: a tensor of SAM's is missing, or has a shape that no resampling mends.
    """
    wanted = model.state_dict()
    parts = ("image_encoder.", "prompt_encoder.", "mask_decoder.")
    branched = model.config.branch != "none"
    home = {k: sams_name(k) for k in wanted if k.startswith(parts) and not (branched and is_branch(k))}
    own = {k: sams for k, sams in home.items() if sams in published or not _is_ours(k)}
    missing = [sams for sams in own.values() if sams not in published]
    if missing:
        raise RuntimeError(f"{len(missing)} of SAM's tensors are missing, the first is {missing[0]}")
    fitted = {k: _resampled(sams, published[sams], wanted[k]) for k, sams in own.items()}
    model.load_state_dict(wanted | fitted)
    if model.config.saw_init == "copy":
        model.semantic_decoder.start_from(model.mask_decoder)


def sams_name(name: str) -> str:
    """A tensor's name in a SEG-SAM -> in SAM's own file, where it is SAM's: the ViT's, whatever stands beside it."""
    _, beside, own = name.rpartition(_VIT)
    return f"image_encoder.{own}" if beside else name


def is_branch(name: str) -> bool:
    """Whether a tensor of a SEG-SAM with a branch is the branch's, and not the ViT's, the prompts' or a decoder's."""
    return name.startswith("image_encoder.") and _VIT not in name


def _is_ours(name: str) -> bool:
    return "lora_" in name or ".Adapter." in name or name.endswith("prior_trust")


def _resampled(name: str, tensor: Tensor, like: Tensor) -> Tensor:
    if tensor.shape == like.shape:
        return tensor
    if name == "image_encoder.pos_embed" and tensor.ndim == 4:  # (1, h, w, C)
        size = (like.shape[1], like.shape[2])
        planes = tensor.permute(0, 3, 1, 2)
        return F.interpolate(planes, size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    if ".rel_pos_" in name and tensor.shape[1] == like.shape[1]:  # (2 s - 1, C)
        return F.interpolate(tensor.T.unsqueeze(0), like.shape[0], mode="linear", align_corners=False)[0].T
    raise RuntimeError(f"{name} is {tuple(tensor.shape)}, not {tuple(like.shape)}")
