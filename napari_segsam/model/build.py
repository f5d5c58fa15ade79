"""From a config to a SegSam."""

from __future__ import annotations

from segment_anything.modeling import TwoWayTransformer
from torch import nn

from napari_segsam.model.adaptation import adapt
from napari_segsam.model.binary_decoder import BinaryDecoder
from napari_segsam.model.branches import with_branch
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.image_encoder import VIT_SIZES, ImageEncoder
from napari_segsam.model.prompt_tokens import PromptTokens
from napari_segsam.model.segsam import SegSam
from napari_segsam.model.semantic_decoder import SemanticDecoder
from napari_segsam.model.zoom_encoder import ZoomEncoder

_VITS = VIT_SIZES
_PATCH = 16


def _image_encoder(config: SegSamConfig) -> nn.Module:
    if config.encoder == "mobilenet":
        return _zoom_encoder(config)
    if config.encoder_mode == "sammed2d" and config.img_size % (2 * _PATCH):
        raise ValueError(f"encoder_mode 'sammed2d' halves the tokens: img_size must be a multiple of {2 * _PATCH}.")
    encoder = ImageEncoder(_VITS[config.encoder], config.img_size, out=config.dim)
    adapt(encoder, config.encoder_mode)
    return with_branch(encoder, config)


def _zoom_encoder(config: SegSamConfig) -> ZoomEncoder:
    if config.zoom is None:
        raise ValueError("The encoder 'mobilenet' needs zoom: it is too coarse for a whole slice alone.")
    if config.encoder_mode not in ("full", "frozen"):
        raise ValueError(f"encoder_mode '{config.encoder_mode}' is for ViT encoders; 'mobilenet' has full and frozen.")
    if config.branch not in ("none", "resnet34", "resnet50"):
        raise ValueError(f"branch '{config.branch}' stands beside a ViT, and 'mobilenet' is none.")
    encoder = ZoomEncoder(config, config.zoom)
    encoder.backbone.requires_grad_(config.encoder_mode == "full")
    return encoder


def _binary_decoder(config: SegSamConfig) -> BinaryDecoder:
    transformer = TwoWayTransformer(
        depth=config.depth, embedding_dim=config.dim, num_heads=config.heads, mlp_dim=config.mlp_dim
    )
    return BinaryDecoder(transformer_dim=config.dim, transformer=transformer, iou_head_hidden_dim=config.dim)


def build(config: SegSamConfig) -> SegSam:
    """A SegSam with random weights (and empty class cards) for ``config``.

    Raises:
        ValueError: choices that do not go together.
    """
    side = config.zoom.crop if config.zoom else config.img_size
    prompt_encoder = PromptTokens(
        embed_dim=config.dim,
        image_embedding_size=(side // _PATCH, side // _PATCH),
        input_image_size=(side, side),
        mask_in_chans=16,
    )
    mask_decoder, image_encoder = _binary_decoder(config), _image_encoder(config)
    twin = mask_decoder if config.saw_init == "copy" else _binary_decoder(config)
    semantic_decoder = SemanticDecoder(config, twin)
    mask_decoder.requires_grad_(config.train_sag)  # after Dec_saw was copied from it, which learns in any case
    return SegSam(config, image_encoder, prompt_encoder, mask_decoder, semantic_decoder)
