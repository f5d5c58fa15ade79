"""The text-to-vision semantic module: the class cards that fit the prompted region become one token, t_text."""

from __future__ import annotations

import torch
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.scene import Scene


class ClassCards(nn.Module):
    """The fixed sentence embeddings of K class cards and their learned projection.

    The embeddings are whitened with a stored basis before projection: sentences about left and right organs
    are nearly the same vector, and whitening is what makes their difference as large as any other.
    """

    sentences: Tensor
    centre: Tensor
    basis: Tensor

    def __init__(self, config: SegSamConfig) -> None:
        super().__init__()
        shape = (config.n_classes, config.n_aspects, config.text_dim)
        self.register_buffer("sentences", torch.zeros(shape))
        self.register_buffer("centre", torch.zeros(config.text_dim))
        self.register_buffer("basis", torch.zeros(config.text_dim, config.text_basis))
        self.project = nn.Linear(config.text_basis, config.dim)
        self.norm = nn.LayerNorm(config.dim)

    @torch.no_grad()
    def fill(self, sentences: Tensor, shrinkage: float = 0.1) -> None:
        """Set (K, A, text_dim) sentence embeddings and whiten over the classes' means."""
        self.sentences.copy_(sentences)
        means = sentences.mean(1)
        self.centre.copy_(means.mean(0))
        _, singular, directions = torch.linalg.svd(means - self.centre, full_matrices=False)
        kept = min(self.basis.shape[1], len(singular))
        variance = singular.square() / len(means)
        scale = (variance + shrinkage * variance.mean()).clamp(min=1e-8).rsqrt()  # a lone class differs from none
        self.basis.zero_()
        self.basis[:, :kept] = (directions * scale.unsqueeze(1))[:kept].T

    def forward(self) -> Tensor:
        """(K, A, C) projected cards T'."""
        projected: Tensor = self.norm(self.project((self.sentences - self.centre) @ self.basis))
        return projected


def cosine_logits(tokens: Tensor, cards: Tensor, log_scale: Tensor) -> Tensor:
    """(..., C) tokens, (K, A, C) projected cards -> (..., K) scaled cosines to the classes' meanings, in float32.

    In bfloat16 neighbouring classes would tie.
    """
    with torch.autocast(tokens.device.type, enabled=False):
        meaning = F.normalize(cards.float().mean(1), dim=-1)
        return log_scale.float().exp() * F.normalize(tokens.float(), dim=-1) @ meaning.T


class TextToVision(nn.Module):
    """Look at the image, read the cards that fit, sum up: needs no class at inference."""

    def __init__(self, config: SegSamConfig) -> None:
        super().__init__()
        self.ask_region = config.text_mode == "roi"
        self.summary = nn.Embedding(1, config.dim)
        self.region = nn.Sequential(nn.Linear(config.dim, config.dim), nn.LayerNorm(config.dim))
        self.look = nn.MultiheadAttention(config.dim, config.heads, batch_first=True)
        self.read = nn.MultiheadAttention(config.dim, config.heads, batch_first=True)
        self.think = MLP(config.dim, config.dim * 2, config.dim, 2)
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in range(3))
        self.log_scale = nn.Parameter(torch.tensor(2.66))  # 1 / 0.07

    def forward(
        self, scene: Scene, prompt_tokens: Tensor, region: Tensor, cards: Tensor, classes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Sum up the cards for each prompt.

        Args:
            scene: P prompts' image tokens.
            prompt_tokens: (P, n, C) t_p.
            region: (P, C) mean image embedding of the prompted region.
            cards: (K, A, C) projected cards.
            classes: not read, see ``OracleText``.

        Returns:
            (P, 1, C) t_text, and (P, K) logits of its cosine to each class, for the auxiliary loss.
        """
        image, pe = scene.tokens.flatten(2).transpose(1, 2), scene.pe.flatten(2).transpose(1, 2)
        query = self.summary.weight.expand(len(image), -1, -1) + prompt_tokens.mean(1, keepdim=True)
        if self.ask_region:
            query = query + self.region(region).unsqueeze(1)
        query = self.norms[0](query + self.look(query, image + pe, image, need_weights=False)[0])
        text = cards.flatten(0, 1).expand(len(image), -1, -1)
        query = self.norms[1](query + self.read(query, text, text, need_weights=False)[0])
        summed = self.norms[2](query + self.think(query))
        return summed, cosine_logits(summed.squeeze(1), cards, self.log_scale)


class MeanText(nn.Module):
    """The baseline that reads nothing in particular: the mean of all cards, the same for every prompt."""

    def __init__(self, config: SegSamConfig) -> None:
        super().__init__()
        self.think = MLP(config.dim, config.dim * 2, config.dim, 2)

    def forward(
        self, scene: Scene, prompt_tokens: Tensor, region: Tensor, cards: Tensor, classes: Tensor | None = None
    ) -> tuple[Tensor, None]:
        """As :meth:`TextToVision.forward`, without logits: it cannot tell classes apart."""
        text: Tensor = self.think(cards.mean((0, 1)))
        return text.expand(len(prompt_tokens), 1, -1), None


class OracleText(nn.Module):
    """The upper bound: the card of the class that it is told, and a learned token where it is told none."""

    def __init__(self, config: SegSamConfig) -> None:
        super().__init__()
        self.unknown = nn.Embedding(1, config.dim)
        self.think = MLP(config.dim, config.dim * 2, config.dim, 2)

    def forward(
        self, scene: Scene, prompt_tokens: Tensor, region: Tensor, cards: Tensor, classes: Tensor | None = None
    ) -> tuple[Tensor, None]:
        """As :meth:`TextToVision.forward`, without logits; ``classes`` is (P,), -1 where unknown, or None for all."""
        unknown = self.unknown.weight.expand(len(prompt_tokens), -1)
        if classes is None:
            return unknown.unsqueeze(1), None
        told: Tensor = self.think(cards.mean(1))[classes.clamp(min=0)]
        return torch.where((classes >= 0).unsqueeze(1), told, unknown).unsqueeze(1), None


def text_module(config: SegSamConfig) -> TextToVision | MeanText | OracleText:
    """The module that makes t_text, for any ``text_mode`` but ``off``."""
    if config.text_mode == "mean":
        return MeanText(config)
    return OracleText(config) if config.text_mode == "oracle" else TextToVision(config)
