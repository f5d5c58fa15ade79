"""The pictures of the user guide, made from the running program.

    xvfb-run -a -s "-screen 0 1400x900x24" python docs/make_screenshots.py [--out docs/images] [--model nano]

Writes dock.png (one organ committed, another one clicked), dock-light.png, dock-narrow.png (320 px), dock-empty.png,
coronal.png (the canvas from the front), three-planes.png (two more canvases), objects.png (the table of objects),
picker.png (a file of several volumes) and save-labels.png.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["NAPARI_CONFIG"] = ""
os.environ["SEGSAM_STATE"] = tempfile.mkdtemp()  # no journal of this is offered to anybody later

import napari
import nibabel as nib
import numpy as np
from napari.qt import get_stylesheet
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDialog

from napari_segsam.gui.demo import open_on_sample, prompt_organ
from napari_segsam.gui.dock import Dock
from napari_segsam.gui.export_dialog import ExportDialog
from napari_segsam.gui.label_files import FORMATS
from napari_segsam.gui.picker import SeriesPicker
from napari_segsam.io.phantom.sample import torso_phantom
from napari_segsam.io.sandbox import list_series

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
    """A window of the guide's size, to which no work of the one before is offered."""
    os.environ["SEGSAM_STATE"] = tempfile.mkdtemp()
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
    viewer.dims.order = (1, 0, 2)
    viewer.reset_view()
    picture(viewer, out / "coronal.png")
    viewer.dims.order = (0, 1, 2)
    viewer.reset_view()
    wait(lambda: answered(dock))
    dock.parentWidget().setFixedWidth(320)
    picture(viewer, out / "dock-narrow.png")
    dock.object_panel.commit.click()
    dock.objects_panel.objects.selectRow(0)
    QTest.qWait(500)
    dock.objects_panel.grab().save(str(out / "objects.png"))
    viewer.close()


def three_planes(out: Path) -> None:
    """Three planes through a point of the liver, of which nine slices are committed."""
    viewer = new_viewer()
    viewer.window.resize(1400, SIZE[1])
    dock = open_on_sample(viewer)
    viewer.reset_view()
    prompt_organ(viewer, dock, "liver")
    wait(lambda: answered(dock))
    dock.object_panel.commit.click()
    middle = viewer.dims.current_step[0]
    for step in (-4, -3, -2, -1, 1, 2, 3, 4):
        viewer.dims.set_current_step(0, middle + step)
        prompt_organ(viewer, dock, "liver", scroll=False)
        wait(lambda: answered(dock))
        dock.object_panel.commit.click()
    dock.scan_panel.three_planes.value = True
    QTest.qWait(500)
    where = np.argwhere(viewer.layers["labels"].data)
    viewer.dims.point = viewer.layers["labels"].data_to_world(where[len(where) // 2])
    viewer.reset_view()
    picture(viewer, out / "three-planes.png")
    viewer.close()


def dialogs(out: Path) -> None:
    """The series picker on a file of three volumes, and the dialog that asks how to save labels."""
    viewer = new_viewer()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "liver_phases.nii.gz"
        phases = np.stack([torso_phantom().voxels] * 3, axis=-1)
        image = nib.Nifti1Image(phases, np.diag([-1.5, -1.5, 5.0, 1.0]))
        image.header.set_xyzt_units("mm")
        nib.save(image, path)
        grab(SeriesPicker(list_series(path)), out / "picker.png")
        saving = ExportDialog(Path(folder) / "liver_labels")
        saving.show()
        saving.format_box.setCurrentIndex([f.kind for f in FORMATS].index("dicom-seg"))
        saving.file.setText("liver_labels.dcm")  # goes to the proposed folder; this one's name would help no reader
        grab(saving, out / "save-labels.png")
    viewer.close()


def grab(dialog: QDialog, path: Path) -> None:
    """A picture of a dialog alone."""
    dialog.setStyleSheet(get_stylesheet("dark"))  # in the window it has its parent's
    dialog.show()
    QTest.qWait(500)
    dialog.grab().save(str(path))
    dialog.close()
    print(path)


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
    three_planes(given.out)
    dialogs(given.out)


if __name__ == "__main__":
    main()
