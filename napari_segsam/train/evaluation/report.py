"""An evaluation as one HTML page: figures with intervals, charts, and the worst cases pictured; it needs no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from napari_segsam.train.evaluation.bootstrap import RESAMPLES
from napari_segsam.train.evaluation.figures import MASKS_FROM, TAGS_FROM
from napari_segsam.train.evaluation.report_charts import BASELINE, MODEL, calibration_chart, clicks_chart, dataset_bars
from napari_segsam.train.evaluation.report_tiles import ANSWER, TRUTH, Tile, worst_cases
from napari_segsam.train.evaluation.run import Evaluation, is_baseline

Summary = Mapping[str, Any]

_HEADLINE = (
    ("Dice, masks", "dice_mean"),
    ("Dice, data sets", "dice_dataset_mean"),
    (f"Dice, data sets of {MASKS_FROM} masks or more", f"dice_dataset_mean_{MASKS_FROM}"),
    ("Dice, data sets without thin structures", "dice_dataset_mean_without_thin"),
    ("IoU, masks", "iou_mean"),
    ("semantic Dice, masks", "semantic_dice"),
    ("class accuracy", "class_accuracy"),
    ("after 5 corrections", "dice_5_corrections"),
)
_STYLE = """
body{font:15px/1.5 sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}
th,td{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
small{color:#666;white-space:nowrap}
td.bars{width:420px}td.bars i{display:inline-block;height:.7em}td.bars div{line-height:1.15}
figure{display:inline-block;width:240px;margin:0 14px 14px 0;vertical-align:top;font-size:13px}
figcaption{overflow-wrap:anywhere}
"""


def page(run: Evaluation, data: str) -> str:
    """The page of a run that is done.

    Args:
        run: with the predictor that was asked.
        data: what to call the data set; of folders the page shows at most the model's.
    """
    told: dict[str, Summary] = {kind: run.summary(kind) for kind in run.kinds}
    asked = [kind for kind in run.kinds if not is_baseline(kind)]
    shown = "box" if "box" in asked else (asked or list(run.kinds))[0]
    model = f"{run.predictor.name} (sha256 {run.predictor.sha256[:12]})" if asked and run.predictor else "no model"
    parts = [
        f"<h1>{escape(model)} on {escape(data)}</h1>",
        f"<p>{len(run.targets)} masks, seed {run.seed}, entries left out: {len(run.skipped)}. "
        "Not a medical device.</p>",
        _headline(told),
        _unprompted(told[shown]),
        _by_dataset(told, shown),
        _calibration(told[shown]),
        *(_modes(kind, summary) for kind, summary in told.items()),
        _groups("By modality", told[shown]["by_modality"]),
        _groups("By class", told[shown]["by_class"]),
        _worst(shown, worst_cases(run, shown)),
    ]
    head = f'<meta charset="utf-8"><title>{escape(model)} on {escape(data)}</title><style>{_STYLE}</style>'
    body = "\n".join(filter(None, parts))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; the first cell of a row is its heading."""
    titles = "".join(f"<th>{h}</th>" for h in head)
    lines = (f"<tr><th>{r[0]}</th>{''.join(f'<td>{c}</td>' for c in r[1:])}</tr>" for r in rows)
    return f"<table><tr>{titles}</tr>{''.join(lines)}</table>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _figure(summary: Summary, key: str) -> str:
    """A figure and its interval."""
    interval = summary.get(f"{key}_ci")
    span = f" <small>{interval[0]:.3f} to {interval[1]:.3f}</small>" if interval else ""
    return _number(summary.get(key)) + span


def _headline(told: Mapping[str, Summary]) -> str:
    columns = [(title, key) for title, key in _HEADLINE if any(s.get(key) is not None for s in told.values())]
    rows = [[escape(kind), str(s["n"]), *(_figure(s, key) for _, key in columns)] for kind, s in told.items()]
    note = (
        f"In small print: 95 % intervals, percentile bootstrap, {RESAMPLES:,} resamples: masks within their data set; "
        "for means over data sets, data sets and then masks. Resampled means of n masks are stretched by "
        "&radic;(n/(n&minus;1)), and cut off where a figure ends. Slices of one patient are alike: true intervals are "
        "wider. Semantic Dice is that of the semantic-aware decoder's mask, 0 where the class is wrong."
    )
    return f"<h2>Figures</h2>{_table(['prompt', 'n', *(t for t, _ in columns)], rows)}<p>{note}</p>"


def _unprompted(summary: Summary) -> str:
    found = summary["suggestions"]
    if found is None:
        return ""
    tags = f"names, F1 on pictures with {TAGS_FROM} annotated classes or more"
    classes = f"{found['n_annotated']} classes on {found['pictures']} pictures"
    rows = [
        [tags, _figure(summary, "tags_f1"), f"{summary['tags_n']} pictures"],
        ["precision of suggestions", _figure(found, "precision"), f"{found['n']} suggestions"],
        ["recall of annotated classes", _figure(found, "recall"), classes],
        ["Dice of the right ones' masks", _number(found["dice_mean"]), f"{found['n_right']} suggestions"],
    ]
    note = "A suggestion counts where its data set annotates that class on any picture."
    return f"<h2>Without a prompt</h2>{_table(['', '', 'of'], rows)}<p>{note}</p>"


def _by_dataset(told: Mapping[str, Summary], shown: str) -> str:
    baselines = {k: s for k, s in told.items() if is_baseline(k) and k != shown and s["n"]}
    best = max(baselines, key=lambda k: baselines[k]["dice_dataset_mean"], default=None)
    beside = {d: v["dice_mean"] for d, v in baselines[best]["by_dataset"].items()} if best else {}
    own = {d: (v["n"], v["dice_mean"]) for d, v in told[shown]["by_dataset"].items()}
    legend = _key(MODEL, shown) + (_key(BASELINE, f"{best}, the best baseline") if best else "")
    return f"<h2>By data set</h2><p>{legend}</p>{dataset_bars(own, beside)}"


def _key(colour: str, words: str) -> str:
    return f'<b style="color:{colour}">&#9632;</b> {escape(words)} &nbsp; '


def _calibration(summary: Summary) -> str:
    if summary["ece"] is None:
        return ""
    bins = [(b["score"], b["accuracy"]) for b in summary["calibration"]]
    error = f"Expected calibration error {summary['ece']:.3f} over {summary['class_n']} masks, {summary['ece_bins']}."
    return f"<h2>Calibration of class scores</h2><p>{error}</p>{calibration_chart(bins)}"


def _modes(kind: str, summary: Summary) -> str:
    parts = []
    if "by_mode" in summary:
        columns = ("n", "dice_mean", "oracle_dice_mean")
        rows = [[mode, str(v["n"]), *(_number(v[c]) for c in columns[1:])] for mode, v in summary["by_mode"].items()]
        parts.append(_table(["mode", "n", "Dice", "Dice of the best candidate"], rows))
    if "dice_by_click" in summary:
        parts.append(clicks_chart(summary["dice_by_click"]))
    return f"<h2>{escape(kind)}</h2>{''.join(parts)}" if parts else ""


def _groups(title: str, groups: Mapping[str, Summary]) -> str:
    keys = ("dice_mean", "semantic_dice", "class_accuracy")
    rows = [[escape(name), str(g["n"]), *(_number(g[k]) for k in keys)] for name, g in groups.items()]
    table = _table(["", "n", "Dice", "semantic Dice", "class accuracy"], rows)
    return f"<details><summary>{title}</summary>{table}</details>"


def _worst(kind: str, tiles: Iterable[Tile]) -> str:
    colours = _key(_css(TRUTH), "truth") + _key(_css(ANSWER), "answer") + "white: the prompt; red: a click that says no"
    figures = "".join(map(_tile, tiles))
    if not figures:
        return ""
    return f"<h2>Worst cases: {escape(kind)}</h2><p>At most two of a data set and of a class. {colours}</p>{figures}"


def _css(colour: tuple[int, int, int]) -> str:
    return f"rgb{colour}"


def _tile(tile: Tile) -> str:
    row = tile.row
    says = f"; says {row.answer} {row.answer_score:.2f}" if row.answer_score is not None else ""
    words = f"{row.dataset}: {row.class_name}, Dice {row.dice:.3f}{says}"
    source = f"data:image/png;base64,{b64encode(tile.png).decode()}"
    caption = f"{escape(words)}<br><small>{escape(row.mask)}</small>"
    return f'<figure><img src="{source}" alt="{escape(words)}"><figcaption>{caption}</figcaption></figure>'
