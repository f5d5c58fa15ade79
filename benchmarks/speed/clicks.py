"""First mask on a fresh slice, click latency once embedded, and peak memory: ours beside SAM's own predictor.

    python benchmarks/speed/clicks.py [--model nano] [--clicks 100] [--peer-slices 3] [--json FILE]

The peer is ``segment_anything.SamPredictor`` on its ViT-B with random weights (speed does not depend on them), in the
same process, slices taken in turn, so that a busy machine slows both. The limit is one pass of the encoder alone.
Peak memory is read in a process of its own, before any peer is loaded.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from segment_anything import SamPredictor, sam_model_registry

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.predictor import SegSamPredictor, load_predictor
from napari_segsam.io.phantom.sample import torso_phantom
from napari_segsam.io.registry import locate

AIMS = {"first mask (s)": 1.0, "click, lone (ms)": 60.0, "box (ms)": 60.0, "peak memory (GB)": 3.0}
_WARM_UP = 3


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def prompts_on(view: SliceView, rng: np.random.Generator, kind: str) -> Prompts:
    """A click or a box at a random place in the middle of the slice."""
    rows, cols = view.shape
    row, col = rng.uniform(0.3, 0.7) * rows, rng.uniform(0.3, 0.7) * cols
    if kind == "click":
        return Prompts((Click(float(row), float(col)),))
    half = rng.uniform(0.05, 0.2) * min(rows, cols)
    return Prompts(box=Box(row - half, col - half, row + half, col + half))


def fresh(predictor: SegSamPredictor, view: SliceView, prompts: Prompts) -> None:
    """Embed a slice that was never seen and answer one prompt on it."""
    predictor.predict(predictor.embed(view, predictor.window_for(view, prompts)), prompts)


def peer_image(view: SliceView) -> np.ndarray:  # type: ignore[type-arg]
    """(rows, cols, 3) uint8, soft-tissue window, as a SAM plugin would make it."""
    grey = np.clip((view.pixels.astype(np.float32) + 160) / 400 * 255, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def percentiles(values: list[float], scale: float) -> dict[str, float]:
    """Median and 99th percentile."""
    return {"median": float(np.median(values)) * scale, "p99": float(np.percentile(values, 99)) * scale}


def measure(model: str, clicks: int, peer_slices: int) -> dict[str, object]:
    """All figures of one run, times in the unit that the key names."""
    volume, rng = torso_phantom(), np.random.default_rng(0)
    views = [SliceView(volume, 2, k) for k in range(4, volume.grid.shape[2] - 4)]
    predictor = load_predictor(locate(model), "cpu", model)
    for view in views[:_WARM_UP]:
        fresh(predictor, view, prompts_on(view, rng, "click"))
    ours_fresh, ours_click, ours_box, encode, peer_fresh, peer_click = [], [], [], [], [], []
    peer = SamPredictor(sam_model_registry["vit_b"]().eval()) if peer_slices else None
    for n, view in enumerate(views[_WARM_UP:]):
        prompt = prompts_on(view, rng, "click")
        ours_fresh.append(seconds(lambda v=view, p=prompt: fresh(predictor, v, p)))
        embedding = predictor.embed(view, predictor.window_for(view, prompt))
        encode.append(embedding.seconds)
        for _ in range(max(clicks // len(views), 1)):
            click, box = prompts_on(view, rng, "click"), prompts_on(view, rng, "box")
            ours_click.append(seconds(lambda e=embedding, p=click: predictor.predict(e, p)))
            ours_box.append(seconds(lambda e=embedding, p=box: predictor.predict(e, p)))
        if peer is not None and n < peer_slices:
            image = peer_image(view)
            point, label = np.array([[image.shape[1] / 2, image.shape[0] / 2]]), np.array([1])
            with torch.inference_mode():
                set_image = seconds(lambda i=image: peer.set_image(i))
                peer_click += [seconds(lambda p=point, on=label: peer.predict(p, on)) for _ in range(5)]
            peer_fresh.append(set_image + peer_click[-5])
    found: dict[str, object] = {
        "first mask (s)": percentiles(ours_fresh, 1),
        "click, lone (ms)": percentiles(ours_click, 1000),
        "box (ms)": percentiles(ours_box, 1000),
        "encoder alone (ms)": percentiles(encode, 1000),
    }
    if peer_fresh:
        found["SAM ViT-B first mask (s)"] = percentiles(peer_fresh, 1)
        found["SAM ViT-B click (ms)"] = percentiles(peer_click, 1000)
        found["ratio first mask, SAM / ours"] = float(np.median(peer_fresh) / np.median(ours_fresh))
        found["ratio click, SAM / ours"] = float(np.median(peer_click) / np.median(ours_click))
    return found


def peak_memory_gb(model: str) -> float:
    """Peak resident memory of a process that embeds and answers, and nothing else."""
    answer = subprocess.run(
        [sys.executable, __file__, "--model", model, "--peer-slices", "0", "--clicks", "60", "--memory"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(answer.stdout.split()[-1])


def own_peak_gb() -> float:
    """Peak resident memory of this process; Linux's ru_maxrss would count the parent's as well."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [part for part in status.read_text().splitlines() if part.startswith("VmHWM")]
        return float(line.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Print a table; with ``--json`` write it as well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--peer-slices", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    found = measure(asked.model, asked.clicks, asked.peer_slices)
    if asked.memory:
        print(own_peak_gb())
        return
    found["peak memory (GB)"] = peak_memory_gb(asked.model)
    found["threads"], found["torch"] = torch.get_num_threads(), torch.__version__
    for name, value in found.items():
        shown = ", ".join(f"{k} {v:.3g}" for k, v in value.items()) if isinstance(value, dict) else value
        aim = f"   (aim {AIMS[name]:g})" if name in AIMS else ""
        print(f"{name:32} {shown:.3g}{aim}" if isinstance(shown, float) else f"{name:32} {shown}{aim}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
