"""A corpus of hostile files: nothing in them is executed, none takes more memory than its own size, each is refused.

Every payload would leave a file behind (``touched``); the corpus is tried on the standard library's unpickler too, so
that a payload that has no teeth does not stay in it.
"""

from __future__ import annotations

import io
import pickle
import resource
import struct
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.files.pickled import Call, Global, PickleError, describe
from napari_segsam.model.zoo.files.published import read_tensors

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def called(name: str, *arguments: bytes) -> bytes:
    """``module.name(*arguments)`` as a pickle's operations."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def whole(operations: bytes) -> bytes:
    return b"\x80\x02" + operations + b"."


def payloads(touched: Path) -> dict[str, bytes]:
    """Pickles that write ``touched`` when they are loaded by anything that obeys them."""
    python = f"open({str(touched)!r}, 'w').close()"
    shell = f"touch '{touched}'"
    write = called("builtins.eval", text(python))
    system = b"cposix\nsystem\n"
    return {
        "os.system": whole(called("os.system", text(shell))),
        "posix.system": whole(system + b"(" + text(shell) + b"tR"),
        "builtins.eval": whole(write),
        "builtins.exec": whole(called("builtins.exec", text(python))),
        "subprocess": whole(called("subprocess.check_call", b"]" + text("touch") + b"a" + text(str(touched)) + b"a")),
        "getattr chain": whole(
            called("builtins.getattr", called("importlib.import_module", text("os")), text("system"))
            + b"("
            + text(shell)
            + b"tR"
        ),
        "a dotted name (protocol 4)": b"\x80\x04"
        + text("os")
        + text("path.os.system")
        + b"\x93("
        + text(shell)
        + b"tR.",
        "INST": b"(" + text(shell) + b"ios\nsystem\n.",
        "OBJ": whole(b"(" + system + text(shell) + b"o"),
        "in a dict's value": whole(b"}" + text("a") + write + b"s"),
        "in a tuple that is thrown away": whole(write + b"0}"),
        "as an OrderedDict's pairs": whole(called("collections.OrderedDict", b"]" + b"](" + text("a") + write + b"ea")),
        "by a mapping's factory": whole(
            called("builtins.list", called("builtins.map", b"cbuiltins\neval\n", b"](" + text(python) + b"e"))
        ),
        "functools.partial, then called": whole(
            called("functools.partial", b"cbuiltins\neval\n", text(python)) + b")R"
        ),
        "operator.methodcaller": whole(
            called("operator.methodcaller", text("system"), text(shell))
            + b"("
            + called("importlib.import_module", text("os"))
            + b"tR"
        ),
        "a pickle in a pickle": whole(
            called("pickle.loads", b"B" + struct.pack("<I", len(whole(write))) + whole(write))
        ),
        "copyreg's reconstructor": whole(
            called("copyreg.__newobj__", b"cfunctools\npartial\n", b"cbuiltins\neval\n", text(python)) + b")R"
        ),
        "in the arguments of a tensor": whole(called("torch._utils._rebuild_parameter", write, b"\x88", b"}")),
        "in an OrderedDict's state": whole(called("collections.OrderedDict") + b"}" + text("a") + write + b"sb"),
    }


NAMES = list(payloads(Path("touched")))


def zip_file(path: Path, pickled: bytes, *records: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, data in records:
            archive.writestr(f"archive/{name}", data)
    return path


def legacy_file(path: Path, pickled: bytes, tail: bytes = b"\x80\x02].") -> Path:
    system = {"protocol_version": 1001, "little_endian": True}
    path.write_bytes(LEGACY + pickle.dumps(1001, 2) + pickle.dumps(system, 2) + pickled + tail)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_no_payload_runs_in_either_format(tmp_path: Path, name: str):
    touched = tmp_path / "touched"
    pickled = payloads(touched)[name]
    for path in (zip_file(tmp_path / "a.pth", pickled), legacy_file(tmp_path / "b.pth", pickled)):
        with pytest.raises(ModelFileError):
            read_tensors(path)
    for where in ("data/0", "version", "byteorder", "code/a.py", ".format_version"):
        with pytest.raises(ModelFileError):
            read_tensors(zip_file(tmp_path / "c.pth", whole(b"}"), (where, pickled)))
    assert not touched.exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_payload_has_teeth(tmp_path: Path, name: str):
    touched = tmp_path / "touched"
    with suppress(TypeError, AttributeError, ValueError):  # what it leaves behind need not fit what comes after it
        pickle.loads(payloads(touched)[name])
    assert touched.exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_payload_beside_tensors_leaves_them_readable(tmp_path: Path, name: str):
    """As an optimiser does, which is no tensor either."""
    touched = tmp_path / "touched"
    payload = payloads(touched)[name][2:-1]
    if payloads(touched)[name][:1] != b"\x80":
        payload = payloads(touched)[name][:-1]
    pickled = whole(b"}" + text("optimizer") + payload + b"s" + text("a") + tensor((2,), (1,)) + b"s")
    found = read_tensors(zip_file(tmp_path / "a.pth", pickled, ("data/0", torch.tensor([1.0, 2.0]).numpy().tobytes())))
    assert found["a"].tolist() == [1.0, 2.0]
    assert not touched.exists()


def number(n: int) -> bytes:
    raw = n.to_bytes((n.bit_length() // 8) + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(numel: int, key: str = "0", kind: str = "torch\nFloatStorage") -> bytes:
    return b"(" + text("storage") + f"c{kind}\n".encode() + text(key) + text("cpu") + number(numel) + b"tQ"


def tensor(shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, of: bytes | None = None) -> bytes:
    """_rebuild_tensor_v2 of a storage of two numbers."""
    parts = (of or storage(2), number(offset), numbers(shape), numbers(stride), b"\x89", b"}")
    return called("torch._utils._rebuild_tensor_v2", *parts)


TWO = ("data/0", b"\0" * 8)
OUTSIDE: dict[str, bytes] = {
    "too long": tensor((3,), (1,)),
    "a large offset": tensor((1,), (1,), 2),
    "a negative offset": tensor((1,), (1,), -1),
    "an enormous offset": tensor((1,), (1,), 1 << 62),
    "a large stride": tensor((2,), (2,)),
    "an enormous stride": tensor((2,), (1 << 62,)),
    "a product that wraps round": tensor((1 << 32, 1 << 32), (0, 0)),
    "a negative size": tensor((-2,), (1,)),
    "a negative stride": tensor((2,), (-1,), 1),
    "one number repeated for ever": tensor((1 << 40,), (0,)),
    "more sizes than strides": tensor((1, 1), (1,)),
    "ninety dimensions": tensor((1,) * 90, (1,) * 90),
    "a size that is a tensor": called(
        "torch._utils._rebuild_tensor_v2", storage(2), number(0), b"(" + tensor((1,), (1,)) + b"t", numbers((1,))
    ),
    "a storage longer than its bytes": tensor((4,), (1,), of=storage(4)),
    "a storage of another type": tensor((1,), (1,), of=storage(2, kind="torch\nDoubleStorage")),
    "a storage of a terabyte": tensor((1,), (1,), of=storage(1 << 38)),
    "a storage of less than nothing": tensor((1,), (1,), of=storage(-1)),
    "a storage with a path for its name": tensor((1,), (1,), of=storage(2, "../data.pkl")),
    "a storage that is not there": tensor((1,), (1,), of=storage(2, "7")),
    "a storage of text": tensor((1,), (1,), of=text("0")),
    "a storage named by text": tensor((1,), (1,), of=b"P0\n"),
    "a storage that is no type": tensor((1,), (1,), of=storage(2, kind="os\nsystem")),
    "a parameter of a parameter": called(
        "torch._utils._rebuild_parameter", called("torch._utils._rebuild_parameter", tensor((2,), (1,)))
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_tensor_reads_beyond_its_storage(tmp_path: Path, name: str):
    path = zip_file(tmp_path / "a.pth", whole(b"}" + text("a") + OUTSIDE[name] + b"s"), TWO)
    with pytest.raises(ModelFileError):
        read_tensors(path)


def test_the_same_tensor_within_its_storage_is_read(tmp_path: Path):
    path = zip_file(tmp_path / "a.pth", whole(b"}" + text("a") + tensor((2,), (1,)) + b"s"), TWO)
    assert read_tensors(path)["a"].tolist() == [0, 0]


def test_one_storage_of_two_types_is_refused(tmp_path: Path):
    both = text("a") + tensor((1,), (1,)) + text("b") + tensor((1,), (1,), of=storage(2, kind="torch\nIntStorage"))
    with pytest.raises(ModelFileError, match="one storage in two ways"):
        read_tensors(zip_file(tmp_path / "a.pth", whole(b"}(" + both + b"u"), TWO))


def bomb(path: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", whole(b"}" + text("a") + tensor((2,), (1,)) + b"s"))
        archive.writestr("archive/data/0", b"\0" * (64 << 20))
    return path


def twice(path: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zip_file(path, whole(b"}"), TWO, TWO)


def overlapping(path: Path) -> Path:
    """The directory lists one entry's bytes under many names."""
    zip_file(path, whole(b"}"), *((f"data/{n}", b"\0" * 1000) for n in range(40)))
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    while (at := raw.find(b"PK\x01\x02", at + 1)) != -1:
        struct.pack_into("<II", raw, at + 20, 1 << 16, 1 << 16)
    path.write_bytes(raw)
    return path


def endless(path: Path) -> Path:
    return zip_file(path, whole(b"}" * 1_100_000))


def repeated(path: Path) -> Path:
    """A list of a hundred thousand pairs, made into a dictionary two hundred thousand times."""
    pairs = b"](" + b"K\x01K\x01\x86" * 100_000 + b"e\x85q\x01"
    return zip_file(path, whole(pairs + b"0ccollections\nOrderedDict\nq\x020" + b"h\x02h\x01R0" * 200_000 + b"}"))


def crafted(pickled: bytes) -> Callable[[Path], Path]:
    return lambda path: zip_file(path, pickled)


COSTLY: dict[str, Callable[[Path], Path]] = {
    "compressed": bomb,
    "an entry twice": twice,
    "entries within one another": overlapping,
    "a description without an end": endless,
    "one list made a dictionary again and again": repeated,
    "text of four gigabytes": crafted(b"\x80\x02X\xff\xff\xff\xff."),
    "bytes of an exabyte": crafted(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f."),
    "a memo of four billion": crafted(b"\x80\x02}r\xff\xff\xff\xff."),
    "a frame of an exabyte": crafted(b"\x80\x04\x95" + b"\xff" * 7 + b"\x0f."),
    "a number of a million digits": crafted(b"L" + b"9" * 1_000_000 + b"L\n."),
    "lists within lists": crafted(whole(b"]" * 100_000 + b"a" * 99_999)),
    "parameters within parameters": crafted(
        whole(b"}" + text("a") + b"ctorch._utils\n_rebuild_parameter\n" * 50_000 + b")" + b"\x85R" * 50_000 + b"s")
    ),
    "tuples within tuples as a key": crafted(whole(b"})" + b"\x85" * 100_000 + b"K\x01s")),
    "marks and nothing": crafted(whole(b"(" * 100_000)),
    "out-of-band buffers": crafted(b"\x80\x05\x97."),
    "text that ends in a backslash": crafted(b"S'\\R'\n."),
    "nothing on the stack": crafted(whole(b"")),
    "an unknown operation": crafted(b"\x80\x02\xff."),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_bomb_is_refused_in_no_more_memory_than_a_file_takes(tmp_path: Path, name: str):
    path = COSTLY[name](tmp_path / "a.pth")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError) as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 1 << 30


def test_another_zip_file_or_program_says_what_it_is(tmp_path: Path):
    with pytest.raises(ModelFileError, match="a zip file, but not one"):
        read_tensors(zip_in(tmp_path / "a.pt", "models/a.json"))
    with pytest.raises(ModelFileError, match="TorchScript"):
        read_tensors(zip_file(tmp_path / "b.pt", whole(b"}"), ("constants.pkl", b")."), ("code/a.py", b"")))
    with pytest.raises(ModelFileError, match="big-endian"):
        read_tensors(zip_file(tmp_path / "c.pt", whole(b"}"), ("byteorder", b"big")))
    (tmp_path / "d.pth").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}")
    with pytest.raises(ModelFileError, match="no file of tensors"):
        read_tensors(tmp_path / "d.pth")


def zip_in(path: Path, name: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"{}")
    return path


def test_what_would_be_called_is_written_down():
    root = describe(io.BytesIO(whole(called("os.system", text("ls"))))).root
    assert isinstance(root, Call) and isinstance(root.what, Global)
    assert (root.what.name, root.arguments) == ("os system", ("ls",))


def test_the_reader_stops_at_its_limit():
    with pytest.raises(PickleError, match="longer than 100 bytes"):
        describe(io.BytesIO(pickle.dumps(list(range(1000)), 2)), most=100)
