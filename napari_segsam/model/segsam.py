"""SEG-SAM: one image encoder, SAM's prompt encoder and decoder, the semantic-aware decoder, text-to-vision."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segsam.model.binary_decoder import BinaryDecoder
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, POSITIVE, PromptBatch, PromptTokens
from napari_segsam.model.scene import Scene
from napari_segsam.model.semantic_decoder import SemanticDecoder, SemanticOutput, Unprompted
from napari_segsam.model.text_to_vision import ClassCards, OracleText, text_module
from napari_segsam.model.zoom_encoder import SizeHead, SliceFeatures, ZoomEncoder


@dataclass
class Zoomed:
    """The second look for P prompts.

    Attributes:
        crops: (P, 3, s, s) in [-1, 1].
        maps: (P, 6, s, s) prompt maps, see ``zoom_encoder.PROMPT_MAPS``.
        prior: (P, 1, s, s) logits that the prompt alone suggests.
        places: (P, 4) the crop's x0, y0, x1, y1 in pixels of the padded slice.
    """

    crops: Tensor
    maps: Tensor
    prior: Tensor
    places: Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Zoomed:
        """The same on another device; ``non_blocking`` as torch has it."""
        each = (self.crops, self.maps, self.prior, self.places)
        return Zoomed(*(t.to(device, non_blocking=non_blocking) for t in each))


@dataclass
class SegSamOutput:
    """What both decoders say for P prompts.

    Attributes:
        mask_logits: (P, 4, H, W) binary masks of the prompted object, see ``BinaryDecoder``.
        iou: (P, 4) predicted IoU of each.
        semantic: Dec_saw's answers.
        text_logits: (P, K) class logits of t_text, None where the module is off.
    """

    mask_logits: Tensor
    iou: Tensor
    semantic: SemanticOutput
    text_logits: Tensor | None

    def row(self, index: int) -> SegSamOutput:
        """One prompt's answer, still with a batch axis."""
        at = slice(index, index + 1)
        text = None if self.text_logits is None else self.text_logits[at]
        return SegSamOutput(self.mask_logits[at], self.iou[at], self.semantic.row(index), text)

    def to(self, where: torch.device | torch.dtype) -> SegSamOutput:
        """The same on another device or in another precision."""
        text = None if self.text_logits is None else self.text_logits.to(where)
        return SegSamOutput(self.mask_logits.to(where), self.iou.to(where), self.semantic.to(where), text)


class SegSam(nn.Module):
    """The whole of SEG-SAM; it receives its parts, :func:`napari_segsam.model.build.build` makes them.

    Source: arXiv 2412.12660 (abstract and figure captions); the encoder, prompt encoder and binary decoder
    are segment_anything's, with its weights' names.
    """

    def __init__(
        self,
        config: SegSamConfig,
        image_encoder: nn.Module,
        prompt_encoder: PromptTokens,
        mask_decoder: BinaryDecoder,
        semantic_decoder: SemanticDecoder,
    ) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder
        self.semantic_decoder = semantic_decoder
        self.class_cards = ClassCards(config)
        self.text_to_vision = None if config.text_mode == "off" else text_module(config)
        if config.zoom is not None:
            self.size_head = SizeHead(config.zoom.widths[0], config.dim, config.zoom.size_bins)
            self.view_level = nn.Embedding(2, config.dim)  # tells the crop's tokens from the slice's
            self.place = nn.Linear(2 * config.dim, config.dim)

    def encode(self, images: Tensor, train_backbone: bool = True) -> SliceFeatures:
        """(B, 3, S, S) normalised slices -> their features, once per slice."""
        if isinstance(self.image_encoder, ZoomEncoder):
            features: SliceFeatures = self.image_encoder(images, train_backbone)
            return features
        made = self.image_encoder(images)
        return SliceFeatures(*made) if isinstance(made, tuple) else SliceFeatures(made)

    def forward(
        self, features: SliceFeatures, prompts: PromptBatch, zoomed: Zoomed | None = None, classes: Tensor | None = None
    ) -> SegSamOutput:
        """Answer P prompts on P rows of slice features (``features.of(owner)``).

        ``classes`` (P,), class indices with -1 for unknown, is read by ``text_mode="oracle"`` alone; without it that
        mode looks twice, the second time with the class that it named the first time.
        """
        sparse = self.prompt_encoder.sparse(prompts)
        if zoomed is None:
            scene, own = self._slice_scene(features, self.prompt_encoder.dense(prompts)), features.tokens
        else:
            scene, own = self._zoom_scene(features, prompts, zoomed)
            sparse = torch.cat([sparse, self._place_token(zoomed.places)], 1)
        region, detail = self._region(own, prompts), self._apart(features)
        if isinstance(self.text_to_vision, OracleText) and classes is None:
            classes = self._decode(scene, sparse, region, detail, None).semantic.class_logits.argmax(1)
        return self._decode(scene, sparse, region, detail, classes)

    def _decode(
        self, scene: Scene, sparse: Tensor, region: Tensor, detail: Tensor | None, classes: Tensor | None
    ) -> SegSamOutput:
        cards = self.class_cards()
        for_saw, text_logits = self._read_text(scene, sparse, region, cards, classes)
        for_sag = for_saw if self.config.text_to == "both" else sparse
        sag, saw = self.mask_decoder, self.semantic_decoder
        transformer, upscaling = saw.path(sag)
        if self.config.decoders == "shared":
            both, image = scene.attend(transformer, torch.cat([sag.own, saw.own]), for_saw)
            pixels, hs = scene.pixels(upscaling, image), both[:, len(sag.own) :]
            masks, iou = sag.read(scene, both[:, : len(sag.own)], pixels)
        else:
            masks, iou = sag(scene, for_sag)
            hs, image = scene.attend(transformer, saw.own, for_saw)
            pixels = scene.pixels(upscaling, image)
        co_pixels = self._quarter(pixels) if detail is None else detail
        return SegSamOutput(masks, iou, saw.read(scene, hs, pixels, cards, co_pixels), text_logits)

    def unprompted(self, features: SliceFeatures) -> Unprompted:
        """What stands on B slices when nobody prompts anything."""
        scene, saw = self._slice_scene(features, None), self.semantic_decoder
        transformer, upscaling = saw.path(self.mask_decoder)
        hs, image = scene.attend(transformer, saw.co_tokens.weight, None)
        detail = self._apart(features)
        pixels = self._quarter(scene.pixels(upscaling, image)) if detail is None else detail
        return saw.read_unprompted(hs, pixels, self.class_cards())

    def _apart(self, features: SliceFeatures) -> Tensor | None:
        """The slice's fine features where the scene's pixels are a crop's, and t_co need others: with a zoom."""
        return None if self.config.zoom is None else features.detail

    def _quarter(self, pixels: Tensor) -> Tensor:
        """Masks of t_co have a quarter of the slice's side, however fine the encoder's features are."""
        side: tuple[int, int] = self.prompt_encoder.mask_input_size
        return pixels if pixels.shape[-2:] == side else F.adaptive_avg_pool2d(pixels, side)

    def _slice_scene(self, features: SliceFeatures, dense: Tensor | None) -> Scene:
        """The slice's own tokens, with SAM's positional encoding, as SAM has it."""
        tokens = features.tokens if dense is None else features.tokens + dense
        h, w = tokens.shape[-2:]
        with torch.autocast(tokens.device.type, enabled=False):
            pe = self.prompt_encoder.pe_layer((h, w)).unsqueeze(0).expand(len(tokens), -1, -1, -1)
        if self.config.zoom is not None:
            pe = pe + self.view_level.weight[1].reshape(1, -1, 1, 1)
        detail = features.detail if self.config.zoom is None else None
        return Scene(tokens.flatten(2).unsqueeze(2), pe.flatten(2).unsqueeze(2), (h, w), detail)

    def _zoom_scene(self, features: SliceFeatures, prompts: PromptBatch, zoomed: Zoomed) -> tuple[Scene, Tensor]:
        """The crop's tokens, on which masks are drawn, then the slice's, as context; and the crop's own map."""
        assert isinstance(self.image_encoder, ZoomEncoder)  # only a zooming config receives crops
        own, detail = self.image_encoder.look(zoomed.crops, zoomed.maps)
        context = self._slice_scene(features, None)
        tokens = own + self.prompt_encoder.dense(prompts)
        with torch.autocast(tokens.device.type, enabled=False):
            pe = self.prompt_encoder.get_dense_pe()
        pe = pe + self.view_level.weight[0].reshape(1, -1, 1, 1)
        pe = pe.expand(len(tokens), -1, -1, -1)
        scene = Scene(
            torch.cat([tokens.flatten(2).unsqueeze(2), context.tokens], -1),
            torch.cat([pe.flatten(2).unsqueeze(2), context.pe], -1),
            (own.shape[-2], own.shape[-1]),
            detail,
            zoomed.prior,
        )
        return scene, own

    def _place_token(self, places: Tensor) -> Tensor:
        """(P, 4) crop corners on the padded slice -> (P, 1, C) where the crop lies."""
        side = self.config.img_size
        with torch.autocast(places.device.type, enabled=False):
            corners = self.prompt_encoder.pe_layer.forward_with_coords(places.reshape(-1, 2, 2), (side, side))
        token: Tensor = self.place(corners.flatten(1))
        return token.unsqueeze(1)

    def _region(self, own: Tensor, prompts: PromptBatch) -> Tensor:
        """(P, C) mean of the embedding over the prompted region: the box's cells, or the cells that were clicked."""
        h, w = own.shape[-2:]
        weight = region_weights(prompts, (h, w), self.prompt_encoder.input_image_size)
        return torch.einsum("pchw,phw->pc", own, weight) / weight.sum((1, 2)).clamp(min=1e-6).unsqueeze(1)

    def _read_text(
        self, scene: Scene, sparse: Tensor, region: Tensor, cards: Tensor, classes: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if self.text_to_vision is None:
            return sparse, None
        text, logits = self.text_to_vision(scene, sparse, region, cards, classes)
        joined = torch.cat([sparse, text], 1) if self.config.text_fuse == "concat" else sparse + text
        return joined, logits


def region_weights(prompts: PromptBatch, cells: tuple[int, int], frame: tuple[int, int]) -> Tensor:
    """(P, h, w) how much each cell belongs to the prompted region.

    A box counts the cells within half a cell of it; otherwise positive clicks count by bilinear distance; otherwise the
    last mask counts by its probability; a prompt with none of them counts all cells.
    """
    (h, w), (height, width) = cells, frame
    points, labels = prompts.points_xy, prompts.labels
    ys = (torch.arange(h, device=points.device) + 0.5) * height / h
    xs = (torch.arange(w, device=points.device) + 0.5) * width / w
    px, py = points[..., 0:1] + 0.5, points[..., 1:2] + 0.5  # (P, n, 1)
    near_x = (1 - (xs - px).abs() / (width / w)).clamp(min=0)  # (P, n, w)
    near_y = (1 - (ys - py).abs() / (height / h)).clamp(min=0)
    clicked = torch.einsum("pnh,pnw,pn->phw", near_y, near_x, (labels == POSITIVE).to(near_x.dtype))
    low, high = ((labels == corner).unsqueeze(-1) for corner in (BOX_MIN, BOX_MAX))
    x0, y0 = (torch.where(low, p, 1e9).amin(1) for p in (px, py))  # (P, 1)
    x1, y1 = (torch.where(high, p, -1e9).amax(1) for p in (px, py))
    in_x = (xs > x0 - width / w / 2) & (xs < x1 + width / w / 2)
    in_y = (ys > y0 - height / h / 2) & (ys < y1 + height / h / 2)
    boxed = (in_y.unsqueeze(2) & in_x.unsqueeze(1)).to(clicked.dtype)
    has_box = low.any(1, keepdim=True)
    weight = torch.where(has_box, boxed, clicked)
    if prompts.mask_logits is not None and prompts.has_mask is not None:
        masked = F.adaptive_avg_pool2d(prompts.mask_logits.sigmoid(), cells)[:, 0] * prompts.has_mask.reshape(-1, 1, 1)
        weight = torch.where(weight.sum((1, 2), keepdim=True) > 0, weight, masked.to(weight.dtype))
    empty = weight.sum((1, 2), keepdim=True) <= 0
    return torch.where(empty, torch.ones_like(weight), weight)
