"""A damaged file is an image or one sentence: a sample of what benchmarks/untrusted tries, and what it once found."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOM = Path(__file__).resolve().parents[2] / "benchmarks/untrusted"
SAMPLE = 1500


@pytest.fixture(scope="module")
def fuzz() -> Any:
    """The modules of the benchmark, found as they are when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOM)
        import fuzz_inputs
        import fuzz_worker

        yield fuzz_worker, fuzz_inputs.Inputs(2, None)


def test_a_sample_of_truncations_and_random_damage(fuzz: Any, tmp_path: Path) -> None:
    worker, inputs = fuzz
    whole = {seed.name: worker.outcomes(seed, seed.content, tmp_path) for seed in inputs.made}
    assert {name for name, told in whole.items() if not any(t.startswith("parsed") for t in told.values())} == set()
    faults = {}
    for one in (inputs[number] for number in range(SAMPLE)):
        if one.damage == "bomb":  # those need a limit on memory
            continue
        outcome, said = worker.worst(
            one, worker.outcomes(one.seed, one.content, tmp_path), whole.get(one.seed.name, {})
        )
        if outcome not in ("parsed", "refused"):
            faults[one.number] = said
    assert faults == {}


def with_vr(content: bytes, tag: tuple[int, int], vr: bytes) -> bytes:
    """A file in explicit little endian in which an element claims another VR."""
    at = content.index(struct.pack("<HH", *tag), 132)
    return content[: at + 4] + vr + content[at + 6 :]


FRAME_OF_REFERENCE, SERIES, INSTANCE, STUDY, CLASS = (0x20, 0x52), (0x20, 0xE), (0x8, 0x18), (0x20, 0xD), (0x8, 0x16)
FOUND: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a frame of reference of an unknown VR": ("explicit.dcm", lambda c: with_vr(c, FRAME_OF_REFERENCE, b"TI")),
    "a series that is a number": ("jpeg.dcm", lambda c: with_vr(c, SERIES, b"FD")),
    "an instance of an unknown VR": ("explicit.dcm", lambda c: with_vr(c, INSTANCE, b"U\xc9")),
    "an instance that is a number": ("explicit.dcm", lambda c: with_vr(c, INSTANCE, b"UL")),
    "a study of an unknown VR": ("explicit.dcm", lambda c: with_vr(c, STUDY, b"U\x09")),
    "a class that is a number": ("jpeg.dcm", lambda c: with_vr(c, CLASS, b"UL")),
    "a study that is a decimal number, and empty": (
        "explicit.dcm",
        lambda c: with_vr(c, STUDY, b"DS").replace(b"DS\x06\x001.2.3\0", b"DS\0\0"),
    ),
    "a segment whose number has 5000 digits": (
        "labels.seg.nrrd",
        lambda c: c.replace(b"Segment0_LabelValue", b"Segment" + b"9" * 5000 + b"_LabelValue"),
    ),
    "a segment whose number begins with 0": (
        "labels.seg.nrrd",
        lambda c: c.replace(b"Segment0_LabelValue", b"Segment007_LabelValue"),
    ),
}
"""Inputs that once ended in a traceback, each as small as it gets."""


@pytest.mark.parametrize("what", FOUND)
def test_what_fuzzing_found_is_refused_or_read(fuzz: Any, tmp_path: Path, what: str) -> None:
    worker, inputs = fuzz
    name, damage = FOUND[what]
    seed = next(s for s in inputs.made if s.name == name)
    content = damage(seed.content)
    assert content != seed.content
    told = worker.outcomes(seed, content, tmp_path)
    assert {who: said for who, said in told.items() if not said.startswith(("parsed", "refused"))} == {}
