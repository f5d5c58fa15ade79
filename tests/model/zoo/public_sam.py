"""segment_anything's own SAM with a small ViT, filled by names as the goldens are."""

from functools import cache, partial

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from napari_segsam.model.image_encoder import ViTSizes
from napari_segsam.model.prompt_tokens import BOX_MAX
from tests.model.zoo.golden import filled

SIDE, CELLS = 64, 4
SIZES = ViTSizes(width=32, depth=2, heads=2, global_blocks=(1,))


@cache
def public():
    vit = ImageEncoderViT(
        img_size=SIDE, embed_dim=SIZES.width, depth=SIZES.depth, num_heads=SIZES.heads, use_rel_pos=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), window_size=14, global_attn_indexes=SIZES.global_blocks,
    )  # fmt: skip
    transformer = TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8)
    decoder = MaskDecoder(transformer_dim=256, transformer=transformer)
    theirs = Sam(vit, PromptEncoder(256, (CELLS, CELLS), (SIDE, SIDE), 16), decoder).eval()
    theirs.load_state_dict({k: filled(k, tuple(t.shape)) for k, t in theirs.state_dict().items()})
    return theirs


def picture():
    return torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(7))


def their_answer(batch, clicks):
    """What SAM says to ``batch``, of which the first ``clicks`` points are clicks and the rest corners or the pad."""
    theirs = public()
    points = (batch.points_xy[:, :clicks], batch.labels[:, :clicks]) if clicks else None
    boxed = batch.labels[0, -1] == BOX_MAX
    boxes = batch.points_xy[:, clicks:].reshape(-1, 4) if boxed else None
    sparse, dense = theirs.prompt_encoder(points, boxes, batch.mask_logits)
    pe = theirs.prompt_encoder.get_dense_pe()
    return theirs.mask_decoder.predict_masks(theirs.image_encoder(picture()), pe, sparse, dense)
