"""Every size and every open choice of the method, in one frozen place.

The paper's abstract and captions fix the parts (independent semantic-aware decoder, text-to-vision module,
cross-mask alignment); what they leave open is a field here, so that a later reading is a change of values.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

EncoderMode = Literal["full", "frozen", "lora", "adapters", "sammed2d"]
Branch = Literal["none", "resnet34", "resnet50", "aggregation", "pyramid"]
Decoders = Literal["independent", "shared"]
SawInit = Literal["copy", "random"]
Co = Literal["hungarian", "class_queries", "pooled", "off"]
ClsHead = Literal["linear", "cosine", "k_masks"]
TextMode = Literal["roi", "attention", "mean", "oracle", "off"]
TextTo = Literal["both", "saw"]
TextFuse = Literal["concat", "add"]


@dataclass(frozen=True)
class ZoomConfig:
    """A second look through the same encoder: a square crop around each prompt, at the scan's full resolution.

    Attributes:
        crop: side of the crop that the encoder sees, in pixels.
        margin: side of the square / longer side of the prompted box.
        least: smallest side of the square in pixels of the scan's slice.
        widths: channels of the crop's fine features at strides 8, 4 and 2.
        size_bins: bins of log object size that a lone click is sorted into.
    """

    crop: int = 128
    margin: float = 1.45
    least: int = 24
    widths: tuple[int, int, int] = (64, 40, 24)
    size_bins: int = 14


@dataclass(frozen=True)
class SegSamConfig:
    """One SEG-SAM.

    Attributes:
        encoder: image encoder; ``vit_*`` are SAM's, ``mobilenet`` is the small one of ``nano``.
        img_size: side of the square that a whole slice is resized into (longest side, zero-padded).
        dim: channels of image embedding and tokens (SAM: 256).
        depth, heads, mlp_dim: of each decoder's two-way transformer.
        n_classes: K, classes that can be named.
        n_co: number of classification-oriented tokens t_co.
        n_aspects, text_dim: sentences per class card and width of their embedding.
        text_basis: width of the whitened sentence embedding that the projection reads.
        encoder_mode: what of a ViT encoder learns, see ``model/adaptation.py``: ``full``, ``frozen``, ``lora``,
            ``adapters`` or ``sammed2d``; the small encoder of ``nano`` knows ``full`` and ``frozen`` (its backbone).
        branch: what stands beside a ViT and always learns, see ``model/branches.py``: a ``resnet34`` or ``resnet50`` as
            in SAM-UNet, the ``aggregation`` of MAS-SAM, or a ``pyramid`` after DB-SAM; ResNets also beside the small
            encoder of ``nano``.
        decoders: ``independent``, as in the paper, or ``shared``: all tokens in SAM's own decoder, the control.
        saw_init: Dec_saw begins as a ``copy`` of SAM's decoder in every part that both have, or at ``random``.
        train_sag: SAM's own decoder learns; otherwise it stays as it begins, and gradients only pass through it.
        co: how t_co say what nobody prompted: ``hungarian`` (set prediction), ``class_queries`` (one token per class,
            present or not), ``pooled`` (their mean says which classes are present), ``off``.
        cls_head: ``linear`` or ``cosine`` (to the projected cards, so that a new card is a new class); with ``k_masks``
            t_so draws a mask for each class, the object's class is the one with most of it, and t_co have ``linear``.
        co_masks: t_co tokens also draw masks (ours; the paper's only classify).
        text_mode: ``roi`` asks with the prompted region, ``attention`` without, ``mean`` reads all cards alike,
            ``oracle`` reads the card of the class that it is told (in use its own first guess, so that it looks twice),
            ``off`` leaves t_text out.
        text_to: ``both`` decoders receive t_text, or ``saw`` only.
        text_fuse: ``concat`` t_text to the prompt tokens, or ``add`` it to each.
        zoom: the second look, None for SAM as published.
    """

    encoder: Literal["vit_b", "vit_l", "vit_h", "mobilenet"] = "vit_b"
    img_size: int = 1024
    dim: int = 256
    depth: int = 2
    heads: int = 8
    mlp_dim: int = 2048
    n_classes: int = 1
    encoder_mode: EncoderMode = "full"
    branch: Branch = "none"
    decoders: Decoders = "independent"
    saw_init: SawInit = "copy"
    train_sag: bool = True
    n_co: int = 16
    co: Co = "hungarian"
    n_aspects: int = 5
    text_dim: int = 384
    text_basis: int = 128
    cls_head: ClsHead = "linear"
    co_masks: bool = True
    text_mode: TextMode = "roi"
    text_to: TextTo = "both"
    text_fuse: TextFuse = "concat"
    zoom: ZoomConfig | None = None

    @property
    def n_queries(self) -> int:
        """How many classification-oriented tokens there are."""
        return {"class_queries": self.n_classes, "off": 0}.get(self.co, self.n_co)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SegSamConfig:
        """The inverse of :meth:`to_dict`, also of an earlier version's; unknown keys raise ``TypeError``."""
        zoom = values.get("zoom")
        if zoom is not None:
            zoom = ZoomConfig(**{**zoom, "widths": tuple(zoom["widths"])})
        return cls(**{**values, "zoom": zoom})


NANO = SegSamConfig(
    encoder="mobilenet",
    img_size=256,
    dim=128,
    heads=4,
    mlp_dim=256,
    cls_head="cosine",
    zoom=ZoomConfig(),
)


def preset(name: str, n_classes: int) -> SegSamConfig:
    """The sizes of ``nano``, ``vit_b``, ``vit_l`` or ``vit_h`` for ``n_classes`` classes.

    Raises:
        KeyError: for any other name.
    """
    presets = {"nano": NANO} | {n: SegSamConfig(encoder=n) for n in ("vit_b", "vit_l", "vit_h")}
    return replace(presets[name], n_classes=n_classes)
