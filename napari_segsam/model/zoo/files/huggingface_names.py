"""Names of ``transformers.SamModel`` -> SAM's own; the tensors are the same, none is turned.

The facts are those of transformers' models/sam/convert_sam_to_hf.py, read backwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_KEPT = "prompt_encoder.shared_embedding.positional_embedding"
_COPY = "shared_image_embedding.positional_embedding"
_HEAD = r"(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head)\.)"
_RULES = tuple(
    (re.compile(f"^{pattern}"), ours)
    for pattern, ours in (
        (r"vision_encoder\.patch_embed\.projection\.", "image_encoder.patch_embed.proj."),
        (r"vision_encoder\.layers\.(\d+)\.layer_norm([12])\.", r"image_encoder.blocks.\1.norm\2."),
        (r"vision_encoder\.layers\.(\d+)\.", r"image_encoder.blocks.\1."),
        (r"vision_encoder\.neck\.conv1\.", "image_encoder.neck.0."),
        (r"vision_encoder\.neck\.layer_norm1\.", "image_encoder.neck.1."),
        (r"vision_encoder\.neck\.conv2\.", "image_encoder.neck.2."),
        (r"vision_encoder\.neck\.layer_norm2\.", "image_encoder.neck.3."),
        (r"vision_encoder\.", "image_encoder."),
        (
            r"(?:prompt_encoder\.shared_embedding|shared_image_embedding)\.positional_embedding",
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        ),
        (r"prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
        (r"prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
        (r"prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
        (r"prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
        (r"prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
        (r"prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
        (r"mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
        (r"mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
        (r"mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
        (_HEAD + r"proj_in\.", r"\1layers.0."),
        (_HEAD + r"layers\.0\.", r"\1layers.1."),
        (_HEAD + r"proj_out\.", r"\1layers.2."),
        (
            r"mask_decoder\.transformer\.layers\.(\d+)\.layer_norm([1-4])\.",
            r"mask_decoder.transformer.layers.\1.norm\2.",
        ),
        (r"mask_decoder\.transformer\.layer_norm_final_attn\.", "mask_decoder.transformer.norm_final_attn."),
    )
)


def sam_names(names: Iterable[str]) -> dict[str, str]:
    """Each name -> SAM's name for it; as they are, unless they are a ``SamModel``'s.

    Hugging Face holds the table of positions twice; where a file has both, the prompt encoder's is taken and the other
    left out.
    """
    theirs = list(names)
    if not any(name.startswith("vision_encoder.") for name in theirs):
        return {name: name for name in theirs}
    dropped = {_COPY} if _KEPT in theirs else set()
    return {name: _sam_name(name) for name in theirs if name not in dropped}


def _sam_name(name: str) -> str:
    for pattern, ours in _RULES:
        if pattern.match(name):
            return pattern.sub(ours, name)
    return name
