"""The rows of the zoo, and a stand-in for each one's file: its own tensor names and sizes, packed as it is published.

Every weight follows from its tensor's name, as in the goldens (``tests/model/zoo/golden.py``), whose lists of names and
shapes are read from the folder that SEGSAM_SHARED names. So a stand-in is loaded, computes and fills memory as the
published file does; only what it draws means nothing.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

ROOT = Path(__file__).resolve().parents[2]
if TYPE_CHECKING:
    import torch
    from torch import Tensor

Packed = Literal["alone", "beside its optimiser", "as training saves it", "as ours"]
BASE = "sam_vit_b"
"""Keys of the SAM that all differences here are to."""


@dataclass(frozen=True)
class Row:
    """One model that a person can choose.

    Attributes:
        name: in the table.
        file: as its authors call it, or would.
        keys: list of the goldens that its tensors are named in; ``sam_vit_l`` and ``sam_vit_h`` are made from ours.
        side: of the square that it sees, in pixels.
        family: that its prepared pictures are of; also the word behind the path where files of several are alike.
        title: of the family, where a person has to choose it.
        option: a switch of the family that is on.
        is_difference: to :data:`BASE`.
        points, boxes: what it is prompted with; a row with neither names the slice by itself.
        entry: its row of the registry, where a person fetches the file from a page and no other file is needed.
        packed: what else the file holds.
        peer: the public ViT that it stands beside.
    """

    name: str
    file: str
    keys: str
    side: int
    family: str
    title: str = ""
    option: str = ""
    is_difference: bool = False
    points: bool = True
    boxes: bool = True
    entry: str = ""
    packed: Packed = "alone"
    peer: str = "vit_b"


def _prompt_free(name: str, file: str, keys: str, side: int, family: str, *, is_difference: bool = True) -> Row:
    return Row(name, file, keys, side, family, is_difference=is_difference, points=False, boxes=False)


def _sam_med2d(name: str, option: str = "") -> Row:
    packed: Packed = "beside its optimiser"
    return Row(name, "sam-med2d_b.pth", "sammed2d_b", 256, "sam_med2d", option=option, entry="sam-med2d", packed=packed)


def _sam_unet(layers: int) -> Row:
    name, keys = f"SAM-UNet, ResNet-{layers}", f"samunet_res{layers}_sam_unet"
    return Row(name, f"sam_unet_res{layers}.pth", keys, 256, "sam_unet", packed="beside its optimiser")


ROWS = (
    Row("LiteMedSAM", "lite_medsam.pth", "litemedsam_full", 256, "lite_medsam", points=False, entry="lite-medsam"),
    Row("FT-SAM", "ft-sam_b.pth", "sam_vit_b_256", 256, "sam_med2d", "SAM-Med2D", entry="ft-sam"),
    _sam_med2d("SAM-Med2D"),
    _sam_med2d("SAM-Med2D, adapters off", "without_adapters"),
    _sam_unet(34),
    _sam_unet(50),
    _prompt_free("SAMed", "samed_vit_b.pth", "samed_sam_lora_image_encoder", 512, "samed"),
    _prompt_free("SAMed_s", "samed_s_vit_b.pth", "samed_sam_lora_image_encoder_mask_decoder", 512, "samed"),
    _prompt_free("MAS-SAM", "mas_sam.pth", "massam_vit_b", 512, "mas_sam", is_difference=False),
    _prompt_free("MA-SAM, ViT-B", "ma_sam_vit_b.pth", "masam_vit_b", 512, "ma_sam"),
    Row("MobileSAM", "mobile_sam.pt", "mobilesam_vit_t", 1024, "mobile_sam"),
    Row("HQ-SAM, tiny", "sam_hq_vit_tiny.pth", "hqsam_vit_tiny", 1024, "hq_sam"),
    Row("HQ-SAM, ViT-B", "sam_hq_vit_b.pth", "hqsam_vit_b", 1024, "hq_sam"),
    Row("HQ-SAM, ViT-B, HQ only", "sam_hq_vit_b.pth", "hqsam_vit_b", 1024, "hq_sam", option="hq_only"),
    Row("Med-SA", "med_sa.pth", "medsa_sam_adpt", 1024, "med_sa", boxes=False, packed="as training saves it"),
    Row("Med-SA, LoRA", "lora.pth", "medsa_sam_lora", 1024, "med_sa", boxes=False, packed="as training saves it"),
    Row("Med-SA, adapters", "Melanoma_Photo_SAM_1024.pth", "medsa_sam_adpt_only", 1024, "med_sa_skill",
        is_difference=True, boxes=False),
    Row("MedSAM", "medsam_vit_b.pth", "sam_vit_b", 1024, "medsam", "MedSAM", points=False, entry="medsam"),
    Row("SAM, ViT-B", "sam_vit_b_01ec64.pth", "sam_vit_b", 1024, "sam", "SAM"),
    Row("Two branches, after DB-SAM", "two_branches.safetensors", "ours", 1024, "", packed="as ours"),
    Row("SAM, ViT-L", "sam_vit_l_0b3195.pth", "sam_vit_l", 1024, "sam", "SAM", peer="vit_l"),
    Row("SAM, ViT-H", "sam_vit_h_4b8939.pth", "sam_vit_h", 1024, "sam", "SAM", peer="vit_h"),
)  # fmt: skip
"""Small ones first."""
AS_BASE = Row("SAM, ViT-B, as a base", "sam_vit_b_01ec64.pth", BASE, 1024, "sam")


def named(names: list[str]) -> list[Row]:
    """The rows of these names; all without names."""
    known = {row.name: row for row in ROWS}
    for unknown in set(names) - known.keys():
        raise SystemExit(f"There is no row '{unknown}'; there are: {'; '.join(known)}.")
    return [known[name] for name in names] or list(ROWS)


def made(row: Row, folder: Path) -> Path:
    """The row's file in a folder, written by a process that ends: what it needs would count as the caller's memory."""
    path = folder / row.file
    if not path.exists():
        subprocess.run([sys.executable, __file__, row.name, str(path)], check=True)
    return path


def choice(row: Row, path: Path, base: Path | None) -> str:
    """What ``--model`` takes."""
    words = [word for word in (row.family if row.title else "", row.option) if word]
    words += [f"base={base}"] if base is not None else []
    return f"{path}@{','.join(words)}" if words else str(path)


def _write(row: Row, path: Path) -> None:
    """Needs torch, and once or twice as much memory as the file is large."""
    import torch

    if row.packed == "as ours":
        return _write_ours(row, path)
    tensors = _tensors(row.keys)
    if row.packed == "beside its optimiser":
        trained = [t for k, t in tensors.items() if ".Adapter." in k or ("resnet" in k and t.is_floating_point())]
        torch.save({"model": tensors, "optimizer": _stepped([torch.nn.Parameter(t) for t in trained])}, path)
    elif row.packed == "as training saves it":
        beside = {"epoch": 1, "model": "sam", "optimizer": None, "best_tol": 0.5, "path_helper": {"prefix": "logs"}}
        torch.save(beside | {"state_dict": tensors}, path)
    else:
        torch.save(tensors, path)


def _tensors(keys: str) -> dict[str, Tensor]:
    import torch

    from napari_segsam.model.image_encoder import VIT_SIZES, ImageEncoder
    from napari_segsam.model.zoo.sam import Sam

    sys.path.insert(0, str(ROOT))
    from tests.model.zoo.golden import fill, filled

    size = keys.removeprefix("sam_")
    if size not in VIT_SIZES or size == "vit_b":
        return fill(keys)
    with torch.device("meta"):
        named_here = Sam(ImageEncoder(VIT_SIZES[size], 1024), 1024).state_dict()
    return {key: filled(key, tuple(tensor.shape)) for key, tensor in named_here.items()}


def _stepped(learns: list[torch.nn.Parameter]) -> torch.optim.Adam:
    """An optimiser with its moments, pickled whole, as SAM-Med2D and SAM-UNet save it."""
    import torch

    adam = torch.optim.Adam(learns, lr=1e-4)
    for p in learns:
        p.grad = torch.zeros_like(p)
    adam.step()
    for p in learns:
        p.grad = None
    return adam


def _write_ours(row: Row, path: Path) -> None:
    """A SEG-SAM with a pyramid beside its ViT, as `segsam train` begins it."""
    import torch

    from napari_segsam.model.build import build
    from napari_segsam.model.checkpoint import Header, save
    from napari_segsam.model.config import SegSamConfig

    torch.manual_seed(0)
    config = SegSamConfig(img_size=row.side, n_classes=2, branch="pyramid", text_mode="off")
    save(path, build(config), Header(config, ("liver", "spleen"), {}, {}))


if __name__ == "__main__":
    _write(next(row for row in (*ROWS, AS_BASE) if row.name == sys.argv[1]), Path(sys.argv[2]))
