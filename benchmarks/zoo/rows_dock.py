"""Each row of the zoo in the window, by mouse and keyboard, on a real scan; a picture of each.

    xvfb-run -a -s "-screen 0 1400x900x24" python benchmarks/zoo/rows_dock.py [ROW ...] [--scene CT] [--out FOLDER]
        [--page docs/speed-zoo.md]

For each row a stand-in for its published file is written (``rows_files.py``) and a window of its own opened on the
scan, with the model that ships. The row's file is chosen in the dock: from the list, or from the registry's row that
asks for it; then what the dock asks, which family it is, or the file that it was made on; then its switch. The object
is prompted with all that the family takes, the answer committed, and the next one begun; a family without prompts is
asked what it sees, and its first suggestion is taken. It fails where the canvas does not change colour where the mask
is, where it does elsewhere, or where the dock shows a score or a class that the model does not give.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rows_files import AS_BASE, ROOT, Row, made, named
from rows_scans import Scene, scenes

sys.path += [str(ROOT / "docs"), str(ROOT / "benchmarks")]  # person.py, pages.py
from pages import command, table, write_between

_MARK = "window"
_HEADER = ("row", "chosen by", "prompted by", "predicted IoU", "classes", "canvas, inside", "canvas, outside")
_SIZE = (1280, 840)
_PATIENCE_S = 900.0
_CHANGED, _UNCHANGED = 0.95, 0.05
"""Least share of pixels that change well inside a committed mask, and most of those well outside."""


class Visit:
    """One window, in which one row is used.

    Args:
        row: what is chosen.
        scene: what it is used on.
        folder: with the row's files.
    """

    def __init__(self, row: Row, scene: Scene, folder: Path) -> None:
        import napari  # after the environment is set
        from person import Person

        self.row, self.scene = row, scene
        self.file, self.base = made(row, folder), made(AS_BASE, folder) if row.is_difference else None
        if row.title and not row.entry:  # under another name than the published one, which would say what it is
            self.file = self.file.rename(folder / f"weights{self.file.suffix}")
        self.viewer = napari.Viewer(title="napari", show_welcome_screen=False)
        self.viewer.window.resize(*_SIZE)
        self.viewer.open(scene.path, plugin="napari-segsam")
        self.dock: Any = self.viewer.window.add_plugin_dock_widget("napari-segsam", "SEG-SAM")[1]
        self.bench = self.dock.workbench
        self.person = Person(self.viewer, _PATIENCE_S)
        self.chosen: list[str] = []
        self.shares: list[tuple[float, float]] = []
        self.said = "", ""

    def use(self) -> list[object]:
        """Everything; a line of the table."""
        self._until(lambda: self.bench.controller and self.bench.controller.predictor, "the first model is there")
        self._rest()
        self.viewer.reset_view()  # the dock took some of the canvas
        self.viewer.dims.set_current_step(*self._step())
        self._choose()
        if self.row.family and not self.dock.scan_panel.note.text.text():
            raise SystemExit(f"{self.row.name}: the dock does not say what this model cannot do.")
        self._rest()
        prompts = list(self._prompted()) if self.row.points or self.row.boxes else [self._suggested()]
        inside, outside = (worst(each) for worst, each in zip((min, max), zip(*self.shares, strict=True), strict=True))
        iou, classes = self.said
        return [
            self.row.name,
            ", ".join(self.chosen),
            ", ".join(prompts),
            iou,
            classes,
            f"{inside:.3f}",
            f"{outside:.3f}",
        ]

    def _step(self) -> tuple[int, int]:
        volume = self.bench.scan.metadata["segsam_volume"]
        ijk = np.asarray(self.scene.click)
        axis = volume.grid.display.axes.index(2)
        return axis, int(volume.grid.display.display_index(ijk, volume.grid.shape)[axis])

    # -- the model

    def _choose(self) -> None:
        """The row's file by the list of models, and what the dock asks then."""
        before = self._predictor
        if self.row.entry:
            self._pick(self.row.entry)
            self._press("Choose that file", self.file)
            self.chosen.append("its row, a file")
        else:
            self._pick("Other file…", self.file)
            self.chosen.append("a file")
        note = self.dock.scan_panel.note
        for _ in range(2):
            self._until(lambda: self._predictor is not before or self._asks(), f"{self.row.name} is there or asked for")
            if self._predictor is not before:
                break
            said = note.buttons[0].text()
            if said.startswith("Choose the file of"):
                self._press(said, self.base)
                self.chosen.append("its base")
            else:
                self._press(self.row.title)
                self.chosen.append("its family")
            self._until(lambda: not self._asks() or self._predictor is not before, "the dock goes on")
        if self.row.option:
            before, word = self._predictor, self.row.option.replace("_", " ").capitalize()
            self._press(word)
            self._until(lambda: self._predictor is not before, f"{word} is on")
            self.chosen.append("a switch")
        self._rest()

    def _asks(self) -> bool:
        """Whether the dock wants to know something of the file."""
        buttons = [b.text() for b in self.dock.scan_panel.note.buttons]
        return any(text.startswith("Choose the file of") or text == self.row.title for text in buttons)

    def _pick(self, name: str, answer: Path | None = None) -> None:
        """Open the list of models and click a line; what that opens gets the path."""
        from qtpy.QtTest import QTest

        rows = self.dock.scan_panel.model.native
        shows = lambda: [rows.itemText(n).split(" (")[0] for n in range(rows.count())]  # noqa: E731
        self._until(lambda: name in shows(), f"{name} is in the list")
        QTest.qWait(200)
        rows.showPopup()
        if answer is not None:
            self.person.choose_path(answer)
        self.person.press_row(rows.view(), shows().index(name))

    def _press(self, text: str, answer: Path | None = None) -> None:
        """Click the note's button; what that opens gets the path."""
        note = self.dock.scan_panel.note
        self._until(lambda: any(b.text().startswith(text) for b in note.buttons), f"there is a button {text}")
        if answer is not None:
            self.person.choose_path(answer)
        self.person.press(next(b for b in note.buttons if b.text().startswith(text)))

    # -- the answers

    def _prompted(self) -> Iterator[str]:
        """A box, then as another object a click, where the family takes them."""
        from qtpy.QtCore import Qt

        scan = self.bench.scan
        if self.row.boxes:
            self.person.key(Qt.Key.Key_B)
            self._answer(lambda: self.person.drag_at(scan, *self.scene.box))
            yield "box"
        if self.row.points:
            self.person.key(Qt.Key.Key_M)
            self.person.key(Qt.Key.Key_P)
            self._answer(lambda: self.person.click_at(scan, self.scene.click))
            yield "click"

    def _answer(self, prompt: Any) -> None:
        """Prompt, wait, look at what is said, commit, and look at the canvas."""
        from qtpy.QtCore import Qt

        before, classes = self._canvas(), self._classes()
        prompt()
        self._until(lambda: self._session.answered and not self.bench.controller.busy, "the model answered")
        self._rest()
        self.said = self._lacks()
        mask = self._session.prediction.mask
        if not mask.any():
            raise SystemExit(f"{self.row.name}: the stand-in draws nothing there.")
        value = self._session.value
        self.person.key(Qt.Key.Key_C)
        self._until(lambda: value in self._session.labels.labels, "it is committed")
        self._rest()
        self._look(before, value, mask, classes)

    def _suggested(self) -> str:
        """Suggest, and take the first."""
        from qtpy.QtCore import Qt

        panel = self.dock.suggestions_panel
        self.person.press(panel.suggest)
        self._until(lambda: panel.suggestions.count(), "something is suggested")
        self._rest()
        before = self._canvas()  # what is suggested has its colour already, a fainter one
        self.person.press_row(panel.suggestions, 0)
        mask, value = self._session.suggestions[0].mask, self._session.value
        self.person.key_in(panel.suggestions, Qt.Key.Key_Return)
        self._until(lambda: value in self._session.labels.labels, "it is accepted")
        self._rest()
        self._look(before, value, mask)
        self.said = "none", str(len(self._predictor.vocabulary))
        return "a suggestion"

    def _look(
        self, before: NDArray[np.uint8], value: int, mask: NDArray[np.bool_], classes: NDArray[np.int64] | None = None
    ) -> None:
        """The label map has the mask, but for what others have, and the canvas shows it.

        Args:
            before: the canvas, when nobody had asked for the object.
            value: of the object.
            mask: (rows, cols) the model's answer.
            classes: as `before`, (rows, cols) class ids; what had the object's class has its colour already.
        """
        view = self._session.view
        labels = view.of(self._session.labels.voxels)
        if not ((labels == value) == (mask & ((labels == 0) | (labels == value)))).all():
            raise SystemExit(f"{self.row.name}: what is committed is not the answer.")
        changed = np.abs(self._canvas().astype(int) - before).max(2) > 2
        rows, cols = self._pixels(view)
        kept = (rows >= 0) & (rows < changed.shape[0]) & (cols >= 0) & (cols < changed.shape[1])
        seen = np.zeros(mask.shape, bool)
        seen[kept] = changed[rows[kept], cols[kept]]
        new = labels == value
        if classes is not None:
            known = self._predictor.vocabulary.id_or_zero(self._session.labels.labels[value].name)
            new &= (classes != known) | (known == 0)
        shares = [float(seen[where].mean()) if where.any() else float("nan") for where in (new & kept, ~new & kept)]
        self.shares.append((shares[0], shares[1]))
        if shares[0] < _CHANGED or shares[1] > _UNCHANGED:
            raise SystemExit(
                f"{self.row.name}: of the canvas {shares[0]:.2f} inside and {shares[1]:.2f} outside changed."
            )

    def _classes(self) -> NDArray[np.int64]:
        return np.array(self._session.view.of(self._session.semantic.voxels), np.int64)

    def _pixels(self, view: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The canvas's row and column that show each pixel of the slice."""
        rows, cols = view.shape
        corners = [(0, 0), (rows - 1, cols - 1)]
        ijk = np.rint(view.rc_to_ijk(corners)).astype(int)
        first, last = (self.person.place_of(self.bench.scan, tuple(map(int, at))) for at in ijk)
        down = np.rint(np.linspace(first.y(), last.y(), rows)).astype(np.int64)
        along = np.rint(np.linspace(first.x(), last.x(), cols)).astype(np.int64)
        return np.broadcast_to(down[:, None], view.shape), np.broadcast_to(along[None], view.shape)

    def _canvas(self) -> NDArray[np.uint8]:
        from qtpy.QtTest import QTest

        QTest.qWait(300)
        return np.asarray(self.viewer.screenshot(flash=False))[..., :3]

    def _lacks(self) -> tuple[str, str]:
        """Whether the dock shows a predicted IoU, and how many classes the model has; the answer is there.

        Raises:
            SystemExit: it shows more or less than the model says.
        """
        panel, prediction, classes = self.dock.object_panel, self._session.prediction, len(self._predictor.vocabulary)
        iou, said = panel.iou.text, panel.classes.current.text()
        if (iou == "–") is not (prediction.iou_predicted is None):
            raise SystemExit(f"{self.row.name}: the dock shows a predicted IoU of {iou}.")
        if ("this model names none" in said) is not (classes == 0):
            raise SystemExit(f"{self.row.name}: the dock says '{said}' of a model with {classes} classes.")
        return "none" if iou == "–" else "shown", str(classes or "none")

    # -- waiting

    @property
    def _session(self) -> Any:
        return self.bench.controller.session

    @property
    def _predictor(self) -> Any:
        return self.bench.controller.predictor

    def _rest(self) -> None:
        from qtpy.QtTest import QTest

        self.person.wait(lambda: not self.bench.controller.busy, "nobody computes")
        QTest.qWait(100)
        if self.dock.error.text:
            raise SystemExit(f"{self.row.name}: the dock says: {self.dock.error.text}")

    def _until(self, ready: Any, what: str) -> None:
        self.person.wait(ready, what)


def visit(row: Row, scene: str, out: Path | None) -> None:
    """Use a row in this process, and print its line."""
    with tempfile.TemporaryDirectory(prefix="segsam-zoo-") as name:
        os.environ |= {"SEGSAM_CACHE": f"{name}/cache", "SEGSAM_STATE": f"{name}/state"}
        here = Visit(row, scenes()[scene], Path(name))
        try:
            print("\t".join(map(str, here.use())), flush=True)
        finally:
            if out is not None:
                out.mkdir(parents=True, exist_ok=True)
                path = out / f"{row.name.lower().replace(', ', '-').replace(' ', '-')}-{scene.lower()}.png"
                here.viewer.screenshot(str(path), canvas_only=False, flash=False)
            here.viewer.close()


def main() -> None:
    """Each row in a process of its own."""
    parser = command(__doc__, _MARK)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--scene", choices=("CT", "RGB"), default="CT")
    parser.add_argument("--out", type=Path, help="a folder for pictures of the window")
    parser.add_argument("--here", action="store_true", help="in this process; one row only")
    asked = parser.parse_args()
    if asked.here:
        visit(named(asked.rows)[0], asked.scene, asked.out)
        return
    os.environ |= {"NAPARI_CONFIG": "", "HF_HUB_OFFLINE": "1"}
    lines, failed = [], []
    for row in named(asked.rows):
        words = [sys.executable, __file__, row.name, "--here", "--scene", asked.scene]
        words += ["--out", str(asked.out)] if asked.out else []
        answer = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        cells = answer.stdout.splitlines()[-1].split("\t") if answer.returncode == 0 else [row.name, "failed"]
        print("  ".join(cells), flush=True)
        (lines if answer.returncode == 0 else failed).append(cells)
    if failed:
        raise SystemExit(f"{len(failed)} of {len(failed) + len(lines)} rows failed; the page stays as it is.")
    if asked.page:
        write_between(asked.page, _MARK, table(_HEADER, lines))


if __name__ == "__main__":
    main()
