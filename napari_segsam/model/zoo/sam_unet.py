"""SAM-UNet (arXiv 2408.09886): a ResNet beside SAM's frozen ViT, and one token that reads masks from both."""

from __future__ import annotations

import math
from typing import cast

import torch
from segment_anything.modeling import TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn

from napari_segsam.model.image_encoder import PATCH, VIT_SIZES, ImageEncoder
from napari_segsam.model.prompt_tokens import PromptBatch, PromptTokens
from napari_segsam.model.zoo.accounts import load_exactly, shape_of
from napari_segsam.model.zoo.family import Abilities, Family, Features, Masks, Preparation, Shapes, Tensors
from napari_segsam.model.zoo.resnet import CHANNELS, ResNetStages

_DIM = 256


class Reshaper(nn.Module):
    """A map of the ResNet, brought to the ViT's stride and width: channels double where the side halves, and back."""

    def __init__(self, channels: int, stride: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(round(abs(math.log2(PATCH / stride)))):
            down = stride < PATCH
            out = channels * 2 if down else channels // 2
            layers.append(nn.Conv2d(channels, out, 3, 2, 1) if down else nn.ConvTranspose2d(channels, out, 2, 2))
            layers += [LayerNorm2d(out), nn.GELU()]
            channels = out
        self.reshaper = nn.Sequential(*layers, nn.Conv2d(channels, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, S/stride, S/stride) -> (B, S/16, S/16, width)."""
        reshaped: Tensor = self.reshaper(x)
        return reshaped.permute(0, 2, 3, 1)


def _to_detail(inputs: int, hidden: int, out: int) -> nn.Sequential:
    """Four times the side."""
    up = [nn.ConvTranspose2d(inputs, hidden, 2, 2), LayerNorm2d(hidden), nn.GELU()]
    return nn.Sequential(*up, nn.ConvTranspose2d(hidden, out, 2, 2))


class TwoEncoders(nn.Module):
    """A ResNet's maps join the ViT's tokens before each block with global attention; both go on to fine features."""

    def __init__(self, vit: ImageEncoder, layers: int, dim: int = _DIM) -> None:
        """``layers`` is 34 or 50; ``dim`` the ViT's output channels.

        Raises:
            ValueError: the ViT's square does not halve five times, as the ResNet has it.
        """
        super().__init__()
        side, width = vit.pos_embed.shape[1] * PATCH, vit.pos_embed.shape[3]
        if side % 32:
            raise ValueError(f"A ResNet halves the picture five times: img_size must be a multiple of 32, not {side}.")
        self.image_encoder = nn.ModuleDict({"sam_img_encoder": vit})
        self.resnet = ResNetStages(layers)
        meetings = range(len(vit.global_blocks))
        strides = (4, 8, 16, 32)
        self.adapters_in = nn.ModuleList(Reshaper(CHANNELS[layers][i], strides[i], width) for i in meetings)
        self.adapters_bridge = nn.ModuleList(_to_detail(width, dim, dim // 8) for _ in meetings[:-1])
        self.embedding_encoder = _to_detail(dim, dim // 4, dim // 8)

    @property
    def vit(self) -> ImageEncoder:
        """SAM's."""
        return cast(ImageEncoder, self.image_encoder["sam_img_encoder"])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> (B, C, S/16, S/16) image embedding, (B, C/8, S/4, S/4) multi-scale feature."""
        vit, maps, met, fine = self.vit, self.resnet(images), 0, []
        x = vit.tokens(images)
        for i, block in enumerate(vit.blocks):
            if i in vit.global_blocks:
                x = x + self.adapters_in[met](maps[met])
            x = block(x)
            if i in vit.global_blocks:
                met += 1
                if met <= len(self.adapters_bridge):  # the last of them is what the neck reads
                    fine.append(self.adapters_bridge[-met](x.permute(0, 3, 1, 2)))
        embedding = vit.neck_of(x)
        return embedding, sum(fine, self.embedding_encoder(embedding))


class MedDecoder(nn.Module):
    """SAM's two-way transformer and upscaling, read by a single mask token."""

    def __init__(self) -> None:
        super().__init__()
        quarter, eighth = _DIM // 4, _DIM // 8
        upscaling = _to_detail(_DIM, quarter, eighth).append(nn.GELU())
        transformer = TwoWayTransformer(depth=2, embedding_dim=_DIM, num_heads=8, mlp_dim=2048)
        self.sam_mask_decoder = nn.ModuleDict({"transformer": transformer, "output_upscaling": upscaling})
        self.med_token = nn.Embedding(1, _DIM)
        self.hf_mlp = MLP(_DIM, _DIM, eighth, 3)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(eighth, quarter, 3, 1, 1), LayerNorm2d(quarter), nn.GELU(), nn.Conv2d(quarter, eighth, 3, 1, 1)
        )

    def forward(self, tokens: Tensor, pe: Tensor, sparse: Tensor, fine: Tensor) -> Tensor:
        """(P, 256, h, w) embedding with dense prompt, its encoding, (P, n, 256), (1, 32, 4h, 4w) -> (P, 1, 4h, 4w)."""
        own = self.med_token.weight.expand(len(tokens), -1, -1)
        hs, image = self.sam_mask_decoder["transformer"](tokens, pe, torch.cat([own, sparse], 1))
        upscaled = self.sam_mask_decoder["output_upscaling"](image.transpose(1, 2).reshape(tokens.shape))
        pixels = self.embedding_maskfeature(upscaled) + fine
        return torch.einsum("pc,pchw->phw", self.hf_mlp(hs[:, 0]), pixels).unsqueeze(1)


class SamUnet(TwoEncoders):
    """The whole model, under its published names."""

    def __init__(self, layers: int, side: int) -> None:
        super().__init__(ImageEncoder(VIT_SIZES["vit_b"], side), layers)
        cells = side // PATCH
        prompts = PromptTokens(_DIM, (cells, cells), (side, side), 16)
        self.prompt_encoder = nn.ModuleDict({"sam_prompt_encoder": prompts})
        self.mask_decoder = MedDecoder()

    def encode(self, images: Tensor) -> Features:
        """(1, 3, S, S) -> ``embedding`` (1, 256, S/16, S/16) and ``fine`` (1, 32, S/4, S/4); the decoder needs both."""
        embedding, fine = self(images)
        return {"embedding": embedding, "fine": fine}

    @property
    def mask_side(self) -> int:
        """See ``Prompted.mask_side``."""
        side: int = self._prompts.mask_input_size[0]
        return side

    @property
    def _prompts(self) -> PromptTokens:
        return cast(PromptTokens, self.prompt_encoder["sam_prompt_encoder"])

    def answer(self, features: Features, prompts: PromptBatch) -> Masks:
        """One mask for each prompt, a quarter of the square's side; no IoU is predicted."""
        encoder = self._prompts
        tokens = features["embedding"] + encoder.dense(prompts)
        pe = encoder.get_dense_pe().expand(len(tokens), -1, -1, -1)
        return Masks(self.mask_decoder(tokens, pe, encoder.sparse(prompts), features["fine"]), None)


def _side(shapes: Shapes) -> int:
    return shape_of(shapes, "image_encoder.sam_img_encoder.pos_embed")[1] * PATCH


def _build(tensors: Tensors, _base: Tensors | None) -> SamUnet:
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    model = SamUnet(50 if "resnet.stage1.0.conv3.weight" in shapes else 34, _side(shapes))
    load_exactly(model, tensors)
    return model.eval()


FAMILY = Family(
    name="sam_unet",
    title="SAM-UNet",
    recognises=lambda shapes: "mask_decoder.med_token.weight" in shapes,
    build=_build,
    preparation=lambda shapes: Preparation(side=_side(shapes)),
    abilities=Abilities(iou=False),
    limits="It predicts no IoU and draws one mask for each prompt.",
    source="https://github.com/Hhankyangg/sam-unet",
    licence="no weights are published; the code has no licence",
)
