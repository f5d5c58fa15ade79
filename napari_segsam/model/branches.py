"""What can stand beside a SEG-SAM's encoder: two branches under the same decoders."""

from __future__ import annotations

from torch import Tensor, nn

from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.dual_branch import DualBranchEncoder, quarters
from napari_segsam.model.image_encoder import ImageEncoder
from napari_segsam.model.zoo.aggregation import Aggregation
from napari_segsam.model.zoo.resnet import CHANNELS as RESNET_CHANNELS
from napari_segsam.model.zoo.resnet import ResNetStages
from napari_segsam.model.zoo.sam_unet import TwoEncoders


class AggregatingEncoder(nn.Module):
    """The ViT, and fine features that grow from four depths of it as in MAS-SAM."""

    def __init__(self, vit: ImageEncoder, dim: int) -> None:
        super().__init__()
        self.sam_img_encoder = vit
        self.aggregation = Aggregation(vit.pos_embed.shape[3], dim)
        self.taken = quarters(len(vit.blocks))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> (B, C, S/16, S/16) image embedding, (B, C/8, S/2, S/2) fine features."""
        vit, after = self.sam_img_encoder, []
        x = vit.tokens(images)
        for block in vit.blocks:
            x = block(x)
            after.append(x)
        embedding = vit.neck_of(x)
        return embedding, self.aggregation.steps(embedding, [after[i] for i in self.taken])[-1]


class ResNetBeside(nn.Module):
    """A ResNet that sees the same crop as a small encoder and adds to its features at strides 4 to 32.

    After SAM-UNet (arXiv 2408.09886), whose ResNet meets a ViT: here it meets maps of the same strides, through
    projections that begin at zero, so that training starts from the small encoder alone.
    """

    def __init__(self, layers: int, widths: tuple[int, ...]) -> None:
        """``layers`` is 34 or 50; ``widths`` the channels of the small encoder's maps at strides 4, 8, 16 and 32."""
        super().__init__()
        self.resnet = ResNetStages(layers)
        self.onto = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(RESNET_CHANNELS[layers], widths, strict=True))
        for parameter in self.onto.parameters():
            nn.init.zeros_(parameter)

    def forward(self, crops: Tensor, taps: list[Tensor]) -> list[Tensor]:
        """(P, 3, s, s) crops, maps at strides 2 to 32 -> such maps."""
        found = zip(taps[1:], self.onto, self.resnet(crops), strict=True)
        return [taps[0], *(tap + project(x) for tap, project, x in found)]


def with_branch(vit: ImageEncoder, config: SegSamConfig) -> nn.Module:
    """The encoder that ``config.branch`` names; what of ``vit`` learns stays as it is.

    Returns:
        A module that turns (B, 3, S, S) into the embedding, or into the embedding and fine features.

    Raises:
        ValueError: a picture size that the branch cannot take.
    """
    match config.branch:
        case "none":
            return vit
        case "resnet34":
            return TwoEncoders(vit, 34, config.dim)
        case "resnet50":
            return TwoEncoders(vit, 50, config.dim)
        case "aggregation":
            return AggregatingEncoder(vit, config.dim)
        case "pyramid":
            return DualBranchEncoder(vit, config.dim, config.heads)
