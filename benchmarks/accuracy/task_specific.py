"""SEG-SAM beside task-specific networks: one small U-Net for each modality, trained without prompts on the same split.

    python benchmarks/accuracy/task_specific.py --data SA-Med2D --model nano --minutes-each 3 --out DIR

SEG-SAM is given a box round each class's mask and the U-Net is given nothing, so the two answer different questions;
the fair comparison is with what SEG-SAM suggests without a prompt. The U-Net is told which classes the picture's data
set annotates; SEG-SAM knows only the modality, and its tags count where the data set annotates that class. Every figure
is over the same masks of the split ``val``: for each picture and class, all objects of that class together, at the
picture's own size, for classes that SEG-SAM has a name for; a wrong name scores 0. Objects within objects cannot both
be right in a softmax; the smaller one is taught.

A modality whose DIR/MODALITY.json exists is not done again; DIR/results.md and DIR/results.json have all of them.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.engine.protocols import Predictor
from napari_segsam.io.atomic import replacing, write_bytes
from napari_segsam.io.registry import locate
from napari_segsam.train.data.dataset import LoadedSample, load
from napari_segsam.train.data.listing import CLASSES, SAMed2D
from napari_segsam.train.evaluation import bootstrap
from napari_segsam.train.evaluation.picture import Picture
from napari_segsam.train.evaluation.unet import Lesson, UNet, named_masks, train_unet

LEAST_PIXELS = 20
"""A class that the U-Net gives fewer pixels is not counted among its tags."""
Masks = Mapping[object, NDArray[np.bool_]]
METHODS = ("unet", "segsam_unprompted", "segsam_box")


@dataclass(frozen=True)
class Result:
    """One class on one picture: semantic Dice of each method."""

    dataset: str
    image: str
    class_name: str
    unet: float
    segsam_unprompted: float
    segsam_box: float


@dataclass(frozen=True)
class Tags:
    """One picture's classes: how many are annotated, and how many each method named, and rightly."""

    annotated: int
    unet: int
    unet_right: int
    segsam: int
    segsam_right: int


class Task:
    """The pictures and classes of one modality, named as SEG-SAM names them where it has a name."""

    def __init__(self, root: Path, modality: str, known: Vocabulary) -> None:
        mapping = json.loads((root / CLASSES).read_text(encoding="utf-8"))
        self.splits = {split: SAMed2D(root, split) for split in ("train", "val")}
        for data in self.splits.values():
            data.samples = [s for s in data.samples if s.modality == modality]
        samples = [s for data in self.splits.values() for s in data.samples]
        names = {canonical(known, m.class_name) for s in samples for m in s.masks}
        self.vocabulary = Vocabulary(tuple(sorted(names)), known.aliases)
        datasets = {s.dataset for s in samples}
        self.annotates = {d: {canonical(known, c) for c in mapping[d]} & names for d in datasets}

    def samples(self, split: str) -> list[LoadedSample]:
        """The pictures of a split."""
        return load(self.splits[split], self.vocabulary)

    def name(self, k: int) -> str:
        """Of a class id."""
        return self.vocabulary.names[k - 1]

    def allowed(self, dataset: str) -> NDArray[np.bool_]:
        """(1 + K,) the background and the classes that a data set annotates."""
        return np.array([True, *(name in self.annotates[dataset] for name in self.vocabulary.names)])


def canonical(known: Vocabulary, name: str) -> str:
    """SEG-SAM's name for a class, else its own in lower case with underscores."""
    return known.canonical(name) or name.strip().lower().replace(" ", "_").replace("-", "_")


@dataclass(frozen=True, eq=False)
class Compared:
    """One picture with what each method sees on it.

    Attributes:
        picture: embedded by SEG-SAM.
        seen: class id -> (rows, cols) the U-Net's masks.
        suggested: class -> (rows, cols) SEG-SAM's masks without a prompt.
        known: class ids annotated on the picture that SEG-SAM has names for.
    """

    task: Task
    sample: LoadedSample
    picture: Picture
    seen: Masks
    suggested: Masks
    known: list[int]

    @classmethod
    def of(cls, task: Task, sample: LoadedSample, net: UNet, predictor: Predictor) -> Compared:
        """Ask both."""
        picture = Picture.of(sample.sample, predictor)
        seen = named_masks(net, sample.picture, task.allowed(sample.sample.dataset))
        suggested = {s.name: s.mask for s in predictor.suggest(picture.embedding)}
        known = sorted(k for k in sample.known if task.name(k) in predictor.vocabulary.names)
        return cls(task, sample, picture, seen, suggested, known)

    def results(self) -> list[Result]:
        """For each annotated class the semantic Dice of each method."""
        return [self._result(k, self.task.name(k), self.sample.class_mask(k)) for k in self.known]

    def _result(self, k: int, name: str, truth: NDArray[np.bool_]) -> Result:
        nothing = np.zeros_like(truth)
        boxed = self.picture.ask()(Prompts(box=Box.around(truth)))
        right = bool(boxed.classes) and boxed.classes[0].name == name
        return Result(
            self.sample.sample.dataset,
            self.sample.sample.path.name,
            name,
            unet=dice(self.seen.get(k, nothing), truth),
            segsam_unprompted=dice(self.suggested.get(name, nothing), truth),
            segsam_box=dice(boxed.semantic_mask, truth) if right else 0.0,
        )

    def tags(self) -> Tags:
        """The classes that each method names, of those that the data set annotates and SEG-SAM has names for."""
        names = {self.task.name(k) for k in self.known}
        counted = self.task.annotates[self.sample.sample.dataset] & set(self.picture.predictor.vocabulary.names)
        by_unet = {self.task.name(k) for k, m in self.seen.items() if m.sum() >= LEAST_PIXELS} & counted
        by_segsam = set(self.suggested) & counted
        return Tags(len(names), len(by_unet), len(by_unet & names), len(by_segsam), len(by_segsam & names))


def figures(results: list[Result], tags: list[Tags]) -> dict[str, object]:
    """Means over data sets and over masks with 95 % intervals, and tag F1."""
    by_dataset: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_dataset[result.dataset].append(result)
    told: dict[str, object] = {"n": len(results), "datasets": len(by_dataset), "pictures": len(tags)}
    for method in METHODS:
        groups = [np.array([getattr(r, method) for r in rs]) for rs in by_dataset.values()]
        told[method] = {
            "dice_mean": float(np.mean(np.concatenate(groups))) if groups else None,
            "dice_mean_ci": bootstrap.of_mean(groups),
            "dice_dataset_mean": float(np.mean([g.mean() for g in groups])) if groups else None,
            "dice_dataset_mean_ci": bootstrap.of_mean_of_means(groups),
        }
    for method in ("unet", "segsam"):
        both = np.array([2.0 * getattr(t, f"{method}_right") for t in tags])
        either = np.array([float(getattr(t, method) + t.annotated) for t in tags])
        f1 = float(both.sum() / either.sum()) if either.sum() else None
        told[f"tags_f1_{method}"] = {"f1": f1, "f1_ci": bootstrap.of_ratio(both, either)}
    return told


def do_modality(task: Task, predictor: Predictor, asked: argparse.Namespace) -> dict[str, object]:
    """Train on ``train``, compare on ``val``."""
    lessons = [Lesson.of(s, task.allowed(s.sample.dataset)) for s in task.samples("train")]
    taken = [0]

    def count(step: int, loss: float) -> None:
        taken[0] = step

    steps, minutes = asked.steps, asked.minutes_each
    net = train_unet(lessons, len(task.vocabulary), steps=steps, minutes=minutes, seed=asked.seed, done=count)
    pictures = (Compared.of(task, s, net, predictor) for s in task.samples("val"))
    compared = [(p.results(), p.tags()) for p in pictures]
    return {
        "asked": said(asked, predictor),
        "trained_on": len(lessons),
        "classes": len(task.vocabulary),
        "steps": taken[0],
        "parameters": sum(p.numel() for p in net.parameters()),
        "results": [asdict(r) for results, _ in compared for r in results],
        "tags": [asdict(tags) for _, tags in compared],
    }


def said(asked: argparse.Namespace, predictor: Predictor) -> dict[str, object]:
    """What has to be alike for results to stand in one table."""
    length = {"steps": asked.steps} if asked.steps else {"minutes": asked.minutes_each}
    return {"model": predictor.name, "sha256": predictor.sha256, "seed": asked.seed, **length}


def table(done: dict[str, dict[str, object]]) -> tuple[str, dict[str, object]]:
    """The results as Markdown and as JSON: each modality, and all of them."""
    told = {m: figures([Result(**r) for r in d["results"]], [Tags(**t) for t in d["tags"]]) for m, d in done.items()}
    every = [Result(**r) for d in done.values() for r in d["results"]]
    told["all"] = figures(every, [Tags(**t) for d in done.values() for t in d["tags"]])
    lines = [
        "Semantic Dice, mean over data sets with 95 % intervals. In the column `box` SEG-SAM is given a box round each",
        "class's mask; without a prompt both are given nothing; the U-Net knows which classes the data set annotates.",
        "F1: of the classes on a picture, without a prompt.",
        "",
        "| modality | data sets | masks | U-Net, no prompt | SEG-SAM, no prompt | SEG-SAM, box | F1 U-Net | SEG-SAM |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for modality, t in told.items():
        cells = [_cell(t[m]["dice_dataset_mean"], t[m]["dice_dataset_mean_ci"]) for m in METHODS]
        cells += [_cell(t[f"tags_f1_{m}"]["f1"], t[f"tags_f1_{m}"]["f1_ci"]) for m in ("unet", "segsam")]
        lines.append(f"| {modality} | {t['datasets']} | {t['n']} | {' | '.join(cells)} |")
    steps = ", ".join(f"{m} {d['steps']} on {d['trained_on']} pictures" for m, d in done.items())
    return "\n".join([*lines, f"\nU-Nets' steps: {steps}.\n"]), told


def _cell(value: float | None, interval: Iterable[float] | None) -> str:
    span = " ({:.3f} to {:.3f})".format(*interval) if interval else ""
    return "" if value is None else f"{value:.3f}{span}"


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as (beside,):
        write_bytes(beside, text.encode())


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder in the SA-Med2D layout with a split.json")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--minutes-each", type=float, default=3.0, help="training of each U-Net")
    parser.add_argument("--steps", type=int, help="training of each U-Net in steps, instead of minutes")
    parser.add_argument("--modality", action="append", help="only these; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Do what is not done yet and print the table."""
    asked = parsed(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    predictor = load_predictor(locate(asked.model), "cpu")
    here = sorted({s.modality for s in SAMed2D(asked.data, "val").samples})
    done = {}
    for modality in asked.modality or here:
        path = asked.out / f"{modality}.json"
        if not path.is_file():
            task = Task(asked.data, modality, predictor.vocabulary)
            if not task.splits["train"].samples:
                print(f"{modality}: left out, the split train has no such picture", flush=True)
                continue
            write(path, json.dumps(do_modality(task, predictor, asked)))
            print(f"{modality}: done", flush=True)
        done[modality] = json.loads(path.read_text())
        if done[modality]["asked"] != said(asked, predictor):
            raise SystemExit(f"{path} was made with {done[modality]['asked']}; choose another --out.")
    markdown, told = table(done)
    write(asked.out / "results.md", markdown)
    write(asked.out / "results.json", json.dumps(told, indent=1))
    print(markdown)


if __name__ == "__main__":
    main()
