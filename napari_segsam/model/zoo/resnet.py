"""ResNet-34 and -50 (He et al. 2016) as a pyramid of features, under the names that SAM-UNet gives its stages."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import resnet34, resnet50

CHANNELS = {34: (64, 128, 256, 512), 50: (256, 512, 1024, 2048)}
"""Layers of the network -> channels at strides 4, 8, 16 and 32."""


class ResNetStages(nn.Module):
    """Torchvision's network without its classifier, random at first."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        net = {34: resnet34, 50: resnet50}[layers]()
        self.stage0 = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.stage1, self.stage2, self.stage3, self.stage4 = net.layer1, net.layer2, net.layer3, net.layer4

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, S, S) -> four maps of CHANNELS at S/4, S/8, S/16 and S/32."""
        x, maps = self.stage0(images), []
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
            maps.append(x)
        return maps
