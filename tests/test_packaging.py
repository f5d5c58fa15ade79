"""The same package from a checkout and from a wheel: manifest, weights, entry points."""

import configparser
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path

import npe2
import pytest

import napari_segsam

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout, built in a copy of it so that nothing is left behind here."""
    tree = tmp_path_factory.mktemp("checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if name.startswith(("napari_segsam/", "weights/")) or "/" not in name:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    build = f"import setuptools.build_meta as b; print(b.build_wheel({str(tree)!r}))"
    subprocess.run([sys.executable, "-c", build], cwd=tree, capture_output=True, check=True, timeout=300)
    return zipfile.ZipFile(next(tree.glob("*.whl")))


def test_the_wheel_holds_the_manifest_the_weights_and_the_licence(wheel: zipfile.ZipFile):
    names = set(wheel.namelist())
    assert {
        "napari_segsam/napari.yaml",
        "napari_segsam/py.typed",
        "napari_segsam/weights/registry.toml",
        "napari_segsam/weights/class_cards.toml",
        "napari_segsam/weights/nano.safetensors",
        "napari_segsam/weights/nano.md",
    } <= names
    assert [name for name in names if name.endswith("/licenses/LICENSE")]
    assert [name for name in names if name.endswith("/licenses/NOTICE")]


def test_the_wheel_holds_every_module_of_the_checkout_and_nothing_else(wheel: zipfile.ZipFile):
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ours = {n for n in tracked.splitlines() if n.startswith("napari_segsam/")}
    ours |= {f"napari_segsam/{n}" for n in tracked.splitlines() if n.startswith("weights/")}
    assert {n for n in wheel.namelist() if n.endswith(".py")} == ours


def test_every_folder_of_the_package_is_listed(setup):
    listed = set(setup["options"]["packages"].split()) - {"napari_segsam.weights"}
    folders = {p.parent.relative_to(ROOT) for p in (ROOT / "napari_segsam").rglob("__init__.py")}
    assert listed == {".".join(folder.parts) for folder in folders}


def test_the_manifest_at_the_root_is_the_packaged_one():
    packaged = files("napari_segsam").joinpath("napari.yaml").read_text(encoding="utf-8")
    at_root = ROOT / "napari.yaml"
    assert packaged == at_root.read_text(encoding="utf-8") or at_root.read_text().strip() == "napari_segsam/napari.yaml"


def test_the_weights_of_the_checkout_are_those_of_the_package():
    assert Path(str(files("napari_segsam.weights"))).samefile(ROOT / "weights")


def test_the_manifest_is_valid_and_found_under_the_distributions_name(setup):
    manifest = npe2.PluginManifest.from_distribution(setup["metadata"]["name"])
    assert manifest.name == setup["metadata"]["name"] == "napari-segsam"


def test_the_manifests_first_widget_is_the_dock():
    widgets = npe2.PluginManifest.from_distribution("napari-segsam").contributions.widgets
    assert widgets[0].display_name == "SEG-SAM"


@pytest.mark.gui
def test_every_command_of_the_manifest_exists():
    manifest = npe2.PluginManifest.from_distribution("napari-segsam")
    manifest.validate_imports()


@pytest.mark.parametrize(
    "path", ["a.nii", "a.nii.gz", "A.NII.GZ", "a.b.nii.gz", "a.nrrd", "a.mha", "a.mhd", "a.dcm", "a.dicom", "."]
)
def test_napari_offers_us_what_we_can_read(path: str):
    manager = npe2.PluginManager()
    manager.register(npe2.PluginManifest.from_distribution("napari-segsam"))
    assert [r.command for r in manager.iter_compatible_readers(path)] == ["napari-segsam.get_reader"]


@pytest.mark.parametrize("path", ["a.nii.gz", "a.nii", "a"])
def test_napari_saves_labels_through_us(path: str):
    manager = npe2.PluginManager()
    manager.register(npe2.PluginManifest.from_distribution("napari-segsam"))
    writer, written = manager.get_writer(path, ["labels"])
    assert writer is not None and writer.command == "napari-segsam.write_labels"
    assert written.endswith((".nii.gz", ".nii"))
    assert manager.get_writer(path, ["image"])[0] is None


def test_the_command_line_is_installed():
    (script,) = entry_points(group="console_scripts", name="segsam")
    assert script.value == "napari_segsam.cli.app:main"


def test_the_version_is_one():
    assert version("napari-segsam") == napari_segsam.__version__
    assert f"## {napari_segsam.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_extras_are_those_that_are_documented(setup):
    assert set(setup["options.extras_require"]) == {"gui", "test", "train", "text", "boxes", "cluster"}
