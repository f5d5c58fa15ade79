import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.train.evaluation import report, report_charts, report_tiles
from napari_segsam.train.evaluation.asking import Attempt
from napari_segsam.train.evaluation.run import Evaluation
from napari_segsam.train.evaluation.targets import list_targets
from tests.fakes import FakePredictor
from tests.train import sa_med2d
from tests.train.evaluation.test_figures import row


def disk():
    rows, cols = np.mgrid[:60, :80]
    return np.hypot(rows - 30, cols - 40) < 10


@pytest.fixture
def run(tmp_path):
    """A run over a small data set whose folder has a name of its own."""
    root = sa_med2d.write(tmp_path / "patients_of_dr_x")
    done = Evaluation(list_targets(root)[0], ("box", "study", "iterative:6", "baseline:ellipse"), FakePredictor())
    list(done.run())
    return done


class Balanced(HTMLParser):
    """Notes tags that are closed in another order than they were opened."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(run):
    page = report.page(run, "A set, split val")
    parser = Balanced()
    parser.feed(page)
    assert (parser.open, parser.wrong) == ([], [])
    assert "<script" not in page
    links = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"'\s>)]+)", page)
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_the_page_shows_no_folder_of_the_users_disk(run, tmp_path):
    run.skipped.append(f"{tmp_path}/patients_of_dr_x/masks/a.png: the mask is empty.")
    page = report.page(run, "A set")
    assert "patients_of_dr_x" not in page
    assert str(tmp_path) not in page
    assert "entries left out: 1." in page


def test_the_page_quotes_the_figures_of_the_summary_with_their_intervals(run):
    page, said = report.page(run, "A set"), run.summary("box")
    assert f"{said['dice_mean']:.3f}" in page
    assert "{:.3f} to {:.3f}".format(*said["dice_mean_ci"]) in page
    assert "baseline:ellipse, the best baseline" in page
    assert "Expected calibration error" in page
    assert all(f"<th>{mode}</th>" in page for mode in "12345")


def test_a_run_of_baselines_alone_has_a_page_too(tmp_path):
    root = sa_med2d.write(tmp_path / "data")
    done = Evaluation(list_targets(root)[0], ("baseline:ellipse",), None)
    list(done.run())
    page = report.page(done, "A set")
    assert "no model" in page
    assert "Without a prompt" not in page


def test_a_run_in_which_nothing_could_be_read_has_a_page(tmp_path):
    page = report.page(Evaluation((), ("box", "baseline:ellipse"), FakePredictor()), "A set")
    assert "0 masks" in page


def test_what_a_data_set_is_called_cannot_become_markup(run):
    for n, r in enumerate(run.rows):
        run.rows[n] = row(
            n, 0.1 + n / 1000, dataset="<script>", class_name="<b>", mask=r.mask, prompt=r.prompt, mode=r.mode
        )
    page = report.page(run, "<i>")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_worst_cases_are_shown_worst_first_and_two_of_a_data_set_and_of_a_class_at_most():
    rows = [row(n, n / 100, dataset="AB"[n % 2], class_name=f"class {n % 5}") for n in range(40)]
    assert [r.dice for r in report_tiles.worst_rows(reversed(rows))] == [0.0, 0.01, 0.02, 0.03]
    many = [row(n, n / 100, dataset=f"set {n}", class_name=f"class {n // 3}") for n in range(40)]
    assert [r.mask for r in report_tiles.worst_rows(many)] == [
        f"m{n}" for n in (0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16)
    ]


def test_a_tile_shows_truth_answer_and_prompts_in_their_colours():
    truth = disk()
    answer = np.roll(truth, 6, axis=1)
    asked = (Prompts((Click(30, 40), Click(30, 52, False)), Box.around(truth)),)
    png = report_tiles.draw_tile(np.full(truth.shape, 90, np.uint8), truth, Attempt("", answer, answer, asked))
    tile = np.asarray(Image.open(io.BytesIO(png)))
    assert tile.shape == (240, 240, 3)
    for colour in (report_tiles.TRUTH, report_tiles.ANSWER, report_tiles.PROMPT, (255, 60, 60)):
        assert (tile == colour).all(-1).sum() > 30


def test_a_tile_of_a_mask_that_fills_a_long_picture_shows_all_of_it():
    truth = np.ones((20, 200), bool)
    png = report_tiles.draw_tile(np.full(truth.shape, 200, np.uint8), truth, Attempt("", truth, truth, ()))
    grey = np.asarray(Image.open(io.BytesIO(png)).convert("L")) > 50
    assert grey.any(0).all()
    assert grey.any(1).mean() == pytest.approx(0.1, abs=0.03)


def test_the_pictures_on_the_page_are_those_of_the_worst_cases(run):
    tiles = list(report_tiles.worst_cases(run, "box"))
    shown = re.findall(r"base64,([^\"]+)", report.page(run, "A set"))
    assert [base64.b64decode(s) for s in shown] == [t.png for t in tiles]
    assert [t.row.dice for t in tiles] == sorted(t.row.dice for t in tiles)


def test_bars_stand_beside_the_baseline_best_first():
    html = report_charts.dataset_bars({"A": (3, 0.5), "B": (1, 0.9)}, {"A": 0.25})
    assert html.index("B") < html.index("A")
    assert re.findall(r"width:([\d.]+)%", html) == ["72.0", "40.0", "20.0"]
