"""The pictures of the user guide, made from the running program.

    xvfb-run -a -s "-screen 0 1400x900x24" python docs/make_screenshots.py [--out docs/images] [--model nano]

Writes dock.png (one organ committed, another one clicked), dock-light.png, dock-narrow.png (320 px) and dock-empty.png.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""

import napari
from qtpy.QtTest import QTest

from napari_segsam.gui.demo import open_on_sample, prompt_organ
from napari_segsam.gui.dock import Dock

SIZE = (1280, 840)


def wait(until: Callable[[], bool], seconds: float = 180.0) -> None:
    """Run the event loop until something is so."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("The model did not answer in time; try again on a quieter machine.")
        QTest.qWait(50)


def answered(dock: Dock) -> bool:
    """Whether the last prompt is answered; stops where the dock shows an error."""
    if dock.error.text:
        raise SystemExit(dock.error.text)
    controller = dock.workbench.controller
    return controller is not None and controller.session.answered and not controller.busy


def picture(viewer: napari.Viewer, path: Path) -> None:
    """The whole window, once it has come to rest."""
    QTest.qWait(500)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(path)


def new_viewer(theme: str = "dark") -> napari.Viewer:
    """A window of the guide's size."""
    viewer = napari.Viewer(title="napari", show_welcome_screen=False)
    viewer.theme = theme
    viewer.window.resize(*SIZE)
    return viewer


def empty(out: Path) -> None:
    """The dock before a scan is open."""
    viewer = new_viewer()
    viewer.window.add_plugin_dock_widget("napari-segsam", "SEG-SAM")
    picture(viewer, out / "dock-empty.png")
    viewer.close()


def at_work(out: Path) -> None:
    """The dock with one organ committed and another one prompted, in both themes and narrow."""
    viewer = new_viewer()
    dock = open_on_sample(viewer)
    viewer.reset_view()
    prompt_organ(viewer, dock, "liver")
    wait(lambda: answered(dock))
    dock.object_panel.commit.click()
    dock.object_panel.next.click()
    prompt_organ(viewer, dock, "spleen", scroll=False)
    wait(lambda: answered(dock))
    picture(viewer, out / "dock.png")
    viewer.theme = "light"
    picture(viewer, out / "dock-light.png")
    viewer.theme = "dark"
    dock.parentWidget().setFixedWidth(320)
    picture(viewer, out / "dock-narrow.png")
    viewer.close()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--model", help="registry name or file; the default model without it")
    given = parser.parse_args()
    if given.model:
        os.environ["SEGSAM_MODEL"] = given.model
    given.out.mkdir(parents=True, exist_ok=True)
    empty(given.out)
    at_work(given.out)


if __name__ == "__main__":
    main()
