"""The layers of EfficientSAM's decoder, which Med-SA trains: SAM's, but for what is added after self-attention."""

from __future__ import annotations

from segment_anything.modeling import TwoWayTransformer
from segment_anything.modeling.transformer import TwoWayAttentionBlock
from torch import Tensor, nn


class EfficientLayer(TwoWayAttentionBlock):  # type: ignore[misc]  # segment_anything has no types
    """SAM's layer, in which the tokens attend to each other with their prompts added, and keep them.

    SAM adds the prompts to queries and keys alone, and its first layer forgets what the tokens were.
    """

    def forward(self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor) -> tuple[Tensor, Tensor]:
        """(P, n, C) tokens and (P, h w, C) pixels -> the same."""
        if not self.skip_first_layer_pe:
            queries = queries + query_pe
        queries = self.norm1(queries + self.self_attn(queries, queries, queries))
        seen = self.cross_attn_token_to_image(queries + query_pe, keys + key_pe, keys)
        queries = self.norm2(queries + seen)
        queries = self.norm3(queries + self.mlp(queries))
        told = self.cross_attn_image_to_token(keys + key_pe, queries + query_pe, queries)
        return queries, self.norm4(keys + told)


def put_into(transformer: TwoWayTransformer) -> None:
    """Replace the layers of SAM's decoder, whose weights are still to be loaded."""
    sizes = transformer.embedding_dim, transformer.num_heads, transformer.mlp_dim
    layers = (EfficientLayer(*sizes, skip_first_layer_pe=i == 0) for i in range(transformer.depth))
    transformer.layers = nn.ModuleList(layers)
