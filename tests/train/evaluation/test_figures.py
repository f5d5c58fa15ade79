import json

import pytest

from napari_segsam.train.evaluation.figures import CALIBRATION_BINS, is_thin, summary
from napari_segsam.train.evaluation.rows import Row, Seen, Suggested


def row(number, dice=1.0, **said):
    fields = {
        "prompt": "box", "mode": "", "dataset": "A", "modality": "ct", "image": "i", "mask": f"m{number}",
        "class_name": "liver", "dice": dice, "iou": dice / (2 - dice), "oracle_dice": dice, "semantic_mask_dice": dice,
        "answer": "liver", "answer_score": 0.9, "correct": True, "iou_predicted": 0.9, "decoder_agreement": 1.0,
        "dice_by_click": "", "seconds": 0.0, "prompts": "[]",
    }  # fmt: skip
    return Row(**(fields | said))


def seen(suggested, annotated, annotates=None):
    found = tuple(Suggested(name, 0.9, dice) for name, dice in suggested.items())
    return Seen("i", found, frozenset(annotated), frozenset(annotates or annotated))


def test_the_mean_over_masks_and_the_mean_over_data_sets_differ_where_sizes_do():
    rows = [row(n, 0.9) for n in range(9)] + [row(9, 0.1, dataset="B")]
    said = summary("box", rows, ())
    assert (said["n"], said["dice_mean"], said["dice_dataset_mean"]) == (10, 0.82, 0.5)
    assert said["by_dataset"] == {"A": {"n": 9, "dice_mean": 0.9}, "B": {"n": 1, "dice_mean": 0.1}}
    assert said["dice_mean_ci"] == [0.82, 0.82]
    assert said["dice_dataset_mean_ci"] == [0.1, 0.9]


def test_data_sets_with_fewer_than_eight_masks_are_left_out_of_the_mean_over_large_ones():
    rows = [row(n, 0.9) for n in range(8)] + [row(n, 0.7, dataset="B") for n in range(8, 16)]
    said = summary("box", [*rows, *(row(n, 0.0, dataset="C") for n in range(16, 23))], ())
    assert (said["dice_dataset_mean_8"], said["dice_dataset_mean_8_n"]) == (0.8, 2)
    assert said["dice_dataset_mean_8_ci"] == [0.7, 0.9]


def test_a_wrong_class_makes_the_semantic_dice_zero_and_an_unknown_one_counts_nowhere():
    rows = [row(0, semantic_mask_dice=0.8), row(1, semantic_mask_dice=0.6, correct=False)]
    said = summary("box", [*rows, row(2, semantic_mask_dice=0.9, correct=None, dataset="B")], ())
    assert (said["semantic_dice"], said["semantic_dice_dataset_mean"]) == (0.4, 0.4)
    assert said["semantic_mask_dice"] == pytest.approx(0.76667)
    assert (said["class_accuracy"], said["class_n"]) == (0.5, 2)


@pytest.mark.parametrize(
    ("name", "thin"),
    [
        ("retinal_vessel", True), ("Hepatic vessels", True), ("pulmonary_vessel", True), ("rop_ridge", True),
        ("blood_vessel", False), ("aorta", False), ("liver", False), ("bridge", False),
    ],
)  # fmt: skip
def test_thin_structures_are_known_by_their_class(name, thin):
    assert is_thin(name) is thin


def test_thin_structures_are_quoted_apart():
    rows = [row(0, 0.9), row(1, 0.3, dataset="B", class_name="retinal_vessel"), row(2, 0.8, dataset="B")]
    said = summary("box", rows, ())
    assert said["thin"] == {"n": 1, "dice_mean": 0.3, "datasets": ["B"]}
    assert said["dice_dataset_mean_without_thin"] == 0.85


def test_the_calibration_error_is_the_gap_between_score_and_share_of_right_answers():
    right = [row(n, answer_score=0.9, correct=n % 2 == 0) for n in range(2 * CALIBRATION_BINS)]
    said = summary("box", right, ())
    assert said["ece"] == pytest.approx(0.4)
    assert sum(b["n"] for b in said["calibration"]) == len(right)
    assert {b["score"] for b in said["calibration"]} == {0.9}
    sure = summary("box", [row(n, answer_score=1.0) for n in range(4)], ())
    assert (sure["ece"], len(sure["calibration"])) == (0.0, 4)


def test_figures_by_modality_and_by_class_say_how_many():
    rows = [row(0, 0.9), row(1, 0.5, modality="us", class_name="Fetal head"), row(2, 0.7, correct=False)]
    said = summary("box", rows, ())
    assert said["by_modality"]["ct"] == {"n": 2, "dice_mean": 0.8, "semantic_dice": 0.45, "class_accuracy": 0.5}
    assert set(said["by_class"]) == {"liver", "fetal_head"}
    assert said["by_class"]["fetal_head"]["n"] == 1


def test_tags_are_scored_over_pictures_with_two_annotated_classes():
    pictures = [seen({"a": 1, "b": 1}, "bc"), seen({"x": 1}, "xyz"), seen({"q": 1}, "r")]
    said = summary("box", [row(0)], pictures)
    assert (said["tags_f1"], said["tags_n"]) == (pytest.approx(2 * 2 / (3 + 5), abs=1e-5), 2)
    assert said["tags_f1_ci"][0] <= said["tags_f1"] <= said["tags_f1_ci"][1]
    assert summary("box", [row(0)], [])["tags_f1"] is None


def test_an_unprompted_class_that_the_data_set_never_annotates_counts_neither_way():
    pictures = [seen({"a": 0.8, "b": None, "z": None}, "a", "abc"), seen({"c": 0.6}, "bc", "abc")]
    said = summary("box", [row(0)], pictures)["suggestions"]
    assert (said["n"], said["precision"]) == (3, pytest.approx(2 / 3, abs=1e-5))
    assert (said["n_annotated"], said["recall"]) == (3, pytest.approx(2 / 3, abs=1e-5))
    assert (said["n_right"], said["dice_mean"], said["pictures"]) == (2, 0.7, 2)


def test_the_study_counts_each_mask_once_and_tells_its_modes():
    rows = [row(m, d, mode=str(n + 1)) for m in range(2) for n, d in enumerate((0.1, 0.2, 0.3, 0.4, 0.5))]
    said = summary("study", rows, ())
    assert (said["n"], said["dice_mean"], said["dice_mean_ci"]) == (2, 0.3, [0.3, 0.3])
    assert said["by_mode"]["5"] == {"n": 2, "dice_mean": 0.5, "iou_mean": 0.33333, "oracle_dice_mean": 0.5}
    assert "modes_not_asked" not in said
    boxes = summary("study", [r for r in rows if r.mode in "345"], ())
    assert (boxes["dice_mean"], boxes["modes_not_asked"]) == (0.4, ["1", "2"])


def test_five_corrections_are_the_sixth_answer():
    rows = [row(n, dice_by_click="0.1 0.2 0.3 0.4 0.5 0.6 0.7", dataset="AB"[n % 2]) for n in range(4)]
    said = summary("iterative:7", rows, ())
    assert said["dice_by_click"] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert (said["dice_5_corrections"], said["dice_5_corrections_ci"]) == (0.6, [0.6, 0.6])
    assert "dice_5_corrections" not in summary("iterative:3", [row(0, dice_by_click="0.1 0.2 0.3")], ())


def test_of_nothing_every_figure_is_none_and_all_of_it_is_json():
    said = json.loads(json.dumps(summary("box", [], ()), allow_nan=False))
    assert (said["n"], said["dice_mean"], said["dice_mean_ci"], said["ece"], said["suggestions"]) == (0, *[None] * 4)
    baseline = [row(n, correct=None, semantic_mask_dice=None, answer_score=None) for n in range(3)]
    said = json.loads(json.dumps(summary("baseline:ellipse", baseline, ()), allow_nan=False))
    assert (said["class_accuracy"], said["tags_f1"], said["semantic_dice"]) == (None, None, None)
