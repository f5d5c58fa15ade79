"""Hugging Face's names of a SAM become SAM's own, all of them, and no other family's names are touched."""

import pytest

from napari_segsam.model.zoo.files.huggingface_names import sam_names
from tests.model.zoo.golden import keys
from tests.model.zoo.parity import key_lists

TRANSFORMER = "mask_decoder.transformer"
PAIRS = {
    "vision_encoder.pos_embed": "image_encoder.pos_embed",
    "vision_encoder.patch_embed.projection.weight": "image_encoder.patch_embed.proj.weight",
    "vision_encoder.layers.11.layer_norm1.bias": "image_encoder.blocks.11.norm1.bias",
    "vision_encoder.layers.0.layer_norm2.weight": "image_encoder.blocks.0.norm2.weight",
    "vision_encoder.layers.2.attn.rel_pos_h": "image_encoder.blocks.2.attn.rel_pos_h",
    "vision_encoder.layers.2.attn.rel_pos_w": "image_encoder.blocks.2.attn.rel_pos_w",
    "vision_encoder.layers.2.attn.qkv.weight": "image_encoder.blocks.2.attn.qkv.weight",
    "vision_encoder.layers.2.attn.proj.bias": "image_encoder.blocks.2.attn.proj.bias",
    "vision_encoder.layers.10.mlp.lin1.weight": "image_encoder.blocks.10.mlp.lin1.weight",
    "vision_encoder.layers.10.mlp.lin2.weight": "image_encoder.blocks.10.mlp.lin2.weight",
    "vision_encoder.neck.conv1.weight": "image_encoder.neck.0.weight",
    "vision_encoder.neck.layer_norm1.weight": "image_encoder.neck.1.weight",
    "vision_encoder.neck.conv2.weight": "image_encoder.neck.2.weight",
    "vision_encoder.neck.layer_norm2.bias": "image_encoder.neck.3.bias",
    "prompt_encoder.shared_embedding.positional_embedding": (
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    ),
    "prompt_encoder.point_embed.3.weight": "prompt_encoder.point_embeddings.3.weight",
    "prompt_encoder.not_a_point_embed.weight": "prompt_encoder.not_a_point_embed.weight",
    "prompt_encoder.no_mask_embed.weight": "prompt_encoder.no_mask_embed.weight",
    "prompt_encoder.mask_embed.conv1.weight": "prompt_encoder.mask_downscaling.0.weight",
    "prompt_encoder.mask_embed.layer_norm1.weight": "prompt_encoder.mask_downscaling.1.weight",
    "prompt_encoder.mask_embed.conv2.bias": "prompt_encoder.mask_downscaling.3.bias",
    "prompt_encoder.mask_embed.layer_norm2.weight": "prompt_encoder.mask_downscaling.4.weight",
    "prompt_encoder.mask_embed.conv3.weight": "prompt_encoder.mask_downscaling.6.weight",
    "mask_decoder.iou_token.weight": "mask_decoder.iou_token.weight",
    "mask_decoder.mask_tokens.weight": "mask_decoder.mask_tokens.weight",
    f"{TRANSFORMER}.layers.1.self_attn.q_proj.weight": f"{TRANSFORMER}.layers.1.self_attn.q_proj.weight",
    f"{TRANSFORMER}.layers.1.layer_norm1.weight": f"{TRANSFORMER}.layers.1.norm1.weight",
    f"{TRANSFORMER}.layers.0.layer_norm4.bias": f"{TRANSFORMER}.layers.0.norm4.bias",
    f"{TRANSFORMER}.layers.0.mlp.lin1.weight": f"{TRANSFORMER}.layers.0.mlp.lin1.weight",
    f"{TRANSFORMER}.layers.0.cross_attn_token_to_image.k_proj.bias": (
        f"{TRANSFORMER}.layers.0.cross_attn_token_to_image.k_proj.bias"
    ),
    f"{TRANSFORMER}.layer_norm_final_attn.weight": f"{TRANSFORMER}.norm_final_attn.weight",
    f"{TRANSFORMER}.final_attn_token_to_image.v_proj.weight": f"{TRANSFORMER}.final_attn_token_to_image.v_proj.weight",
    "mask_decoder.upscale_conv1.weight": "mask_decoder.output_upscaling.0.weight",
    "mask_decoder.upscale_layer_norm.bias": "mask_decoder.output_upscaling.1.bias",
    "mask_decoder.upscale_conv2.weight": "mask_decoder.output_upscaling.3.weight",
    "mask_decoder.output_hypernetworks_mlps.2.proj_in.weight": (
        "mask_decoder.output_hypernetworks_mlps.2.layers.0.weight"
    ),
    "mask_decoder.output_hypernetworks_mlps.2.layers.0.weight": (
        "mask_decoder.output_hypernetworks_mlps.2.layers.1.weight"
    ),
    "mask_decoder.output_hypernetworks_mlps.2.proj_out.bias": "mask_decoder.output_hypernetworks_mlps.2.layers.2.bias",
    "mask_decoder.iou_prediction_head.proj_in.weight": "mask_decoder.iou_prediction_head.layers.0.weight",
    "mask_decoder.iou_prediction_head.layers.0.bias": "mask_decoder.iou_prediction_head.layers.1.bias",
    "mask_decoder.iou_prediction_head.proj_out.weight": "mask_decoder.iou_prediction_head.layers.2.weight",
}


def theirs(ours: str) -> str:
    """The way back, by the list above with its numbers left open."""
    return next(name for name, sam in sam_names(PAIRS).items() if sam == ours)


def test_every_name_becomes_sams():
    assert sam_names(PAIRS) == PAIRS


@pytest.mark.parametrize("name", PAIRS)
def test_a_name_comes_back_from_sams(name: str):
    assert theirs(PAIRS[name]) == name


@pytest.mark.parametrize("list_of", key_lists())
def test_names_of_every_other_published_file_stay(list_of: str):
    assert sam_names(keys(list_of)) == {name: name for name in keys(list_of)}


def test_the_table_of_positions_that_is_there_twice_is_taken_once():
    copy, kept = "shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding"
    both = sam_names(["vision_encoder.pos_embed", copy, kept])
    assert copy not in both and both[kept].endswith("positional_encoding_gaussian_matrix")
    alone = sam_names(["vision_encoder.pos_embed", copy])
    assert alone[copy].endswith("positional_encoding_gaussian_matrix")


def test_a_name_that_is_not_known_stays_so_that_it_is_refused_by_name():
    assert sam_names(["vision_encoder.pos_embed", "surprise"])["surprise"] == "surprise"
