"""Values travel whole: every field, every bit, in the same order in memory."""

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from io import BytesIO
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.volume import Volume, Window
from napari_segsam.io import formats, sandbox
from napari_segsam.io.dicom.headers import read_headers
from napari_segsam.io.labels.rtstruct import read_on_slices
from napari_segsam.io.labels.slices import Slices
from napari_segsam.io.labels.structures import is_structure_set
from napari_segsam.io.sandbox import memory, wire
from napari_segsam.io.series_info import SeriesInfo
from tests.core.grids import affine_of

PLACES = (
    "dicom/cornerstone/CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
    "dicom/cornerstone/CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm",
    "dicom/cornerstone/CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm",
    "dicom/cornerstone/TestPattern_Palette.dcm",
    "dicom/pydicom",
    "dicom_seg/dcmqi",
    "ct/totalseg_example/example_ct.nii.gz",
    "ct/totalseg_spine/spine_report/example_ct_report/spine_report.nii.gz",
    "mr/monai",
    "mr/niivue",
    "mr/sct",
    "rgb/kvasir",
    "us/monai",
)


def travelled(value: Any, kind: Any) -> Any:
    """What arrives where ``value`` is sent."""
    found: list[wire.Array] = []
    packed = json.loads(json.dumps(wire.pack(value, kind, found)))
    described = [wire.described(d) for d in json.loads(json.dumps([wire.describe(a) for a in found]))]
    stream = BytesIO(b"".join(part for a in found for part in wire.parts(a)))
    assert sum(d.size for d in described) == len(stream.getvalue())
    by_pipe = [wire.receive(stream, d) for d in described]
    if found and memory.CAN_SHARE:
        assert all(map(same, _shared(found, described), by_pipe))
    return wire.unpack(packed, kind, by_pipe)


def _shared(found: list[wire.Array], described: list[wire.Described]) -> list[wire.Array]:
    """What arrives through shared memory."""
    ours, theirs = socket.socketpair()
    handle = memory.made(memory.total(d.size for d in described))
    try:
        memory.send(ours, handle)
        assert memory.comes_by(theirs.fileno())
        memory.fill(theirs.fileno(), found)
        return memory.taken(handle, described)
    finally:
        os.close(handle)
        ours.close()
        theirs.close()


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in every field and every bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return repr(one) == repr(other)


def read(io: Any, path: Path) -> list[Any]:
    """The first series and volumes at a path; sentences where there is none."""
    found = []
    try:
        infos = io.list_series(path)
    except SegsamError as error:
        return [str(error)]
    for info in infos[:5]:
        found.append(info)
        try:
            found.append(replace(io.read_volume(path, series=info.uid or None), id=""))
        except SegsamError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("place", PLACES)
def test_real_files_are_read_alike_in_both_processes(shared_data: Path, place: str) -> None:
    path = shared_data / place
    files = sorted(p for p in path.glob("*") if p.is_file() and p.stat().st_size < 300_000)[::2]
    for file in [path, *files]:
        assert same(read(formats, file), read(sandbox, file)), file


SETS = ("rtstruct/dicompyler", "rtstruct/rt-utils/mock_data", "ibsi_sts/dicom/STS_025/CT")
SERIES = ("dicom/mr_series_btp", "dicom/dcm_qa_enh", "dicom/ct_series_philips", "ibsi_sts/dicom/STS_025/MR_T1/image")


def found(call: Callable[[], Any]) -> Any:
    """What it gives, or the sentence with which it refuses."""
    try:
        return call()
    except SegsamError as error:
        return str(error)


@pytest.mark.parametrize("place", SERIES)
def test_real_headers_are_read_alike_in_both_processes(shared_data: Path, place: str) -> None:
    folder = shared_data / place
    for info in sandbox.list_series(folder)[:2]:
        here = found(lambda uid=info.uid: read_headers(folder, series=uid))  # type: ignore[misc]
        assert same(here, found(lambda uid=info.uid: sandbox.read_headers(folder, series=uid))), info.uid  # type: ignore[misc]


@pytest.mark.parametrize("place", SETS)
def test_real_structure_sets_are_read_alike_in_both_processes(shared_data: Path, place: str) -> None:
    slices = Slices((64, 64, 30), ((4.0, 0, 0, -100), (0, 4.0, 0, -300), (0, 0, 10.0, -200), (0, 0, 0, 1.0)), (), "")
    files = [f for f in sorted((shared_data / place).rglob("*.dcm")) if is_structure_set(f)]
    assert files
    for file in files:
        here = found(lambda file=file: read_on_slices(file, slices))  # type: ignore[misc]
        assert same(here, found(lambda file=file: sandbox.read_on_slices(file, slices))), file  # type: ignore[misc]


def made(kind: Any) -> Any:
    """Some value of a declared type that is no field's default."""
    outer, inner = get_origin(kind) or kind, get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{f.name: made(hints[f.name]) for f in fields(kind)})
    if outer is tuple:
        return tuple(map(made, inner[:1] * 2 if inner[-1] is Ellipsis else inner))
    if outer is UnionType:
        return made(inner[0])
    return {bool: True, int: 3, float: float(np.nextafter(1, 2)), str: "Ärm \udce9"}[outer]


def test_every_field_travels() -> None:
    """Fields that are added later, too: their values are made from their types."""
    grid = Grid((2, 3, 4), affine_of("RSA"), "1.2")
    voxels = np.arange(24, dtype=np.int16).reshape(4, 3, 2).T
    others = {name: made(kind) for name, kind in get_type_hints(Volume).items() if name not in ("grid", "voxels")}
    volume = Volume(grid, voxels, **others)
    assert same(travelled(volume, Volume), volume)
    info = made(SeriesInfo)
    assert same(travelled([info, info], list[SeriesInfo]), [info, info])
    labels = LabelMap(grid, np.full(grid.shape, 300, np.uint16), {300: Label(300, "liver")})
    assert travelled(labels, LabelMap).labels == labels.labels
    for number in (float("nan"), float("inf"), -0.0, 5e-324, 0.1 + 0.2):
        assert same(travelled(number, float), number)


@given(arrays(st.sampled_from(["?", "i1", "<i2", ">u2", "<u4", ">f4", "f8"]), array_shapes(max_dims=4)), st.randoms())
def test_arrays_keep_their_values_and_their_order_in_memory(array: NDArray[Any], random: Any) -> None:
    axes = random.sample(range(array.ndim), array.ndim)
    seen = array.transpose(axes)[tuple(slice(None, None, random.choice((1, 2, -1))) for _ in axes)]
    found = travelled(seen, NDArray[Any])
    np.testing.assert_array_equal(found, seen)
    assert found.dtype == seen.dtype.newbyteorder("=") and found.flags.writeable
    plain = array.transpose(axes)
    strides = [s for s, n in zip(travelled(plain, NDArray[Any]).strides, plain.shape, strict=True) if n > 1]
    assert strides == [s for s, n in zip(plain.strides, plain.shape, strict=True) if n > 1]


@dataclass(frozen=True)
class Strange:
    """A field of a type that cannot travel."""

    what: object


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (Strange(b"bytes"), Strange),
        ("1", int),
        (1, str),
        (None, float),
        ((1, 2), tuple[int, int, int]),
        ([1], tuple[int, ...]),
        (1.5, int),
        (1, Window),
        (3, NDArray[Any]),
    ],
)
def test_what_is_not_of_its_declared_type_is_not_sent(value: Any, kind: Any) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)):
        wire.pack(value, kind, [])


def test_an_array_of_objects_is_not_sent() -> None:
    for dtype in ("O", "c8", "M8[ns]", "S3", "i2,i2"):
        with pytest.raises(TypeError, match="an array of"):
            wire.describe(np.zeros(3, dtype))


@pytest.mark.parametrize(
    ("packed", "kind"),
    [
        ({"centre": 1.0, "width": 2.0}, Window),
        ({"centre": 1.0, "width": 2.0, "name": "", "more": 1}, Window),
        ({"centre": "1", "width": 2.0, "name": ""}, Window),
        ([1.0, 2.0, ""], Window),
        (True, int),
        (1, bool),
        (1.0, int),
        (True, float),
        ([1, 2], tuple[int, int, int]),
        ({"0": 1}, list[int]),
        ([[1, 2, 3]], dict[int, int]),
        (1, NDArray[Any]),
        (-1, NDArray[Any]),
        ("0", NDArray[Any]),
        (False, NDArray[Any]),
        ({}, object),
    ],
)
def test_what_is_not_of_its_declared_type_is_not_believed(packed: Any, kind: Any) -> None:
    with pytest.raises(ValueError):
        wire.unpack(packed, kind, [np.zeros(1)])
