"""What every test shares: no network, no trace in the user's own settings, and where real scans lie."""

import os
import shutil
import subprocess
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["NAPARI_CONFIG"] = ""  # napari then neither reads nor writes the user's settings
os.environ.setdefault("QT_API", "pyqt6")

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SEGSAM_SHARED", ROOT.parent / "shared"))

settings.register_profile("segsam", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("segsam")


def pytest_configure(config: pytest.Config) -> None:
    """Each process of a parallel run has a screen of its own: windows on one screen take the focus from each other."""
    if "PYTEST_XDIST_WORKER" not in os.environ or not shutil.which("Xvfb"):
        return
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as said:
        os.environ["DISPLAY"] = f":{said.readline().strip()}"
    config.add_cleanup(screen.wait)  # the last that is added goes first
    config.add_cleanup(screen.terminate)


@pytest.fixture(scope="session", autouse=True)
def journals_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No window of a test leaves its journal in the user's own folder."""
    os.environ["SEGSAM_STATE"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans; a test that asks for it is skipped where there is none."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip(f"no real scans: {data} is absent; set SEGSAM_SHARED to the folder that holds data/")
    return data


@pytest.fixture(scope="session")
def shared_train() -> Path:
    """The training set in the SA-Med2D layout; a test that asks for it is skipped where there is none."""
    train = SHARED / "train"
    if not train.is_dir():
        pytest.skip(f"no training set: {train} is absent; set SEGSAM_SHARED to the folder that holds train/")
    return train
