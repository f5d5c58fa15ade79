"""What loads what: the command line and the engine start without Qt, napari or torch; core needs numpy only."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import napari_segsam

PACKAGE = Path(napari_segsam.__file__).parent
HEAVY = {"torch", "torchvision", "napari", "magicgui", "superqt", "qtpy", "PyQt6", "PySide6", "vispy"}
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "base.py"}


def loaded_by(statements: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after these statements."""
    script = f"{statements}\nimport sys\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return set(run.stdout.splitlines()[-1].split())


def test_help_loads_neither_qt_nor_napari_nor_torch():
    run_help = "import sys\nsys.argv = ['segsam', '--help']\nfrom napari_segsam.cli.app import main\n"
    assert loaded_by(f"{run_help}try:\n    main()\nexcept SystemExit as end:\n    assert not end.code") & HEAVY == set()


def test_the_controller_loads_neither_qt_nor_napari_nor_torch():
    assert loaded_by("import napari_segsam.engine.controller") & HEAVY == set()


def test_the_formats_load_neither_qt_nor_napari_nor_torch():
    assert loaded_by("import napari_segsam.io.formats, napari_segsam.io.registry") & HEAVY == set()


def test_core_loads_numpy_and_nothing_else_of_others():
    modules = ", ".join(f"napari_segsam.core.{path.stem}" for path in (PACKAGE / "core").glob("[a-z]*.py"))
    others = loaded_by(f"import {modules}") & set(packages_distributions())
    assert others - loaded_by("import sys") == {"napari_segsam", "numpy"}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_only_the_guis_executor_starts_threads():
    """Training, which no viewer runs, may read ahead with a pool of its own."""
    starters = re.compile(r"\b(Thread|ThreadPoolExecutor|ProcessPoolExecutor|QThread|QRunnable|thread_worker)\b")
    texts = {str(p.relative_to(PACKAGE)): p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py")}
    code = {path: "\n".join(c for c in text.splitlines() if "import" in c) for path, text in texts.items()}
    starting = {path for path, lines in code.items() if starters.search(lines)} | {
        path for path, text in texts.items() if "threading.Thread(" in text
    }
    assert {path for path in starting if not path.startswith("train/")} == {"gui/executor.py"}


def test_nothing_unpickles_or_evaluates():
    """A stranger's file must not become code."""
    doors = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
    found = {str(p.relative_to(PACKAGE)): imports_of(p) & doors for p in PACKAGE.rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}
    calls = ("torch.load(", "yaml.load(", "allow_pickle=True", "shell=True")
    texts = {str(p.relative_to(PACKAGE)): p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py")}
    assert [(path, call) for path, text in texts.items() for call in calls if call in text] == []


def test_a_file_is_named_after_what_it_is():
    assert [str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*.py") if p.name in FORBIDDEN_NAMES] == []
