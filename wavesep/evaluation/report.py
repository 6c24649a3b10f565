"""An evaluation as tables and as a page."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

import numpy as np

from .pictures import draw_boxes
from .run import PICTURES, TrackScores, write_json, write_text
from .scoring import finite, median

PAGE, TABLE, SUMMARY = "report.html", "scores.csv", "summary.json"
BOXES, SONG_BOXES = "boxes.png", "boxes{}.png"

COLUMNS = {
    "si_sdr": "SI-SDR", "si_sdr_gain": "SI-SDR gain", "sdr": "SDR", "gnsdr": "GNSDR",
    "si_sdr_median": "median", "si_sdr_least": "least",
    "si_sdr_gain_median": "median gain", "si_sdr_gain_least": "least gain", "lacking": "left out",
}  # fmt: skip
Summary = dict[str, float]


def summarise(scores: Sequence[TrackScores]) -> dict[str, Summary]:
    """Return each system's scores over all windows of all songs, in dB.

    Returns
    -------
    dict of str to dict
        Means of SI-SDR, its gain and SDR; GNSDR, the mean of NSDR weighted by length; median and
        least of SI-SDR and of its gain. A window without a score is left out of that figure. If an
        estimate is silent, only its SDR counts. If the accompaniment is silent, no score counts.
        "lacking" is the number of songs with a window without a score.
    """
    return {system: summarise_system(scores, system) for system in scores[0].systems}


def summarise_system(scores: Sequence[TrackScores], system: str) -> Summary:
    """Return the summary of one system; see `summarise`."""
    rows = [row for track in scores for row in track.systems[system]]
    seconds = [length for track in scores for length in track.seconds]
    names = ("si_sdr", "si_sdr_gain", "sdr")
    summary = {name: mean([row[name] for row in rows]) for name in names}
    summary["gnsdr"] = mean([row["nsdr"] for row in rows], seconds)
    for name in ("si_sdr", "si_sdr_gain"):
        values = [row[name] for row in rows]
        summary[f"{name}_median"] = median(values)
        summary[f"{name}_least"] = float(min(finite(values), default=np.nan))
    return summary | {"lacking": sum(system in lacks for lacks in lacking(scores).values())}


def lacking(scores: Sequence[TrackScores]) -> dict[str, list[str]]:
    """Return the songs with a window without a score, and the systems concerned."""
    lacks = {
        track.key: [system for system in track.systems if lacks_score(track, system)]
        for track in scores
    }
    return {song: systems for song, systems in lacks.items() if systems}


def lacks_score(track: TrackScores, system: str) -> bool:
    """Tell if one of a song's scores by a system is not a number."""
    rows = [*track.systems[system], *track.bss_eval.get(system, {}).values()]
    return not all(np.isfinite([*row.values()]).all() for row in rows)


def lacking_lines(scores: Sequence[TrackScores]) -> list[str]:
    """Return a line for each song with windows that the means leave out."""
    everyone = [*scores[0].systems]
    return [
        f"{song}: windows without a score are left out of the means of "
        + ("all systems" if systems == everyone else ", ".join(systems))
        for song, systems in lacking(scores).items()
    ]


def mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the mean of the finite values, with weights if given; nan if there is none."""
    known = np.isfinite(values)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights)
    if not known.any():
        return float("nan")
    return float(np.average(np.asarray(values)[known], weights=weight[known]))


def track_means(scores: TrackScores) -> dict[str, tuple[float, float]]:
    """Return the SI-SDR and its gain of each system on one song, means over its windows."""
    return {
        system: (
            mean([row["si_sdr"] for row in rows]),
            mean([row["si_sdr_gain"] for row in rows]),
        )
        for system, rows in scores.systems.items()
    }


def song_rows(scores: Sequence[TrackScores]) -> list[dict[str, str | float]]:
    """Return the SI-SDR of each system on each song, as rows of a table."""
    return [
        {"song": track.key} | {system: mean for system, (mean, _) in track_means(track).items()}
        for track in scores
    ]


def summary_rows(scores: Sequence[TrackScores]) -> list[dict[str, str | float]]:
    """Return the summary of each system, as rows of a table."""
    return [
        {"system": system} | {COLUMNS.get(name, name): value for name, value in row.items()}
        for system, row in summarise(scores).items()
    ]


def bss_eval_rows(scores: Sequence[TrackScores]) -> list[dict[str, str | float]]:
    """Return the scores of BSS Eval v4, medians over frames and then songs, as rows of a table.

    The list is empty if BSS Eval was not computed.
    """
    return [
        {"system": system, "stem": stem}
        | {metric: median(t.bss_eval[system][stem][metric] for t in scores)
           for metric in metrics}
        for system, stems in scores[0].bss_eval.items()
        for stem, metrics in stems.items()
    ]  # fmt: skip


def write_report(
    scores: Sequence[TrackScores], out: str | os.PathLike[str], failures: Mapping[str, str]
) -> Path:
    """Write the report: a page, a table and a summary.

    ``report.html`` is the page, with pictures. ``scores.csv`` has a line for each window and
    system. ``summary.json`` holds the result of `summarise`, the songs with missing scores, and the
    songs that failed.

    Parameters
    ----------
    scores : sequence of TrackScores, one or more
    out : path
        The folder of the evaluation.
    failures : dict of str to str
        Songs that could not be scored, and the reason for each.

    Returns
    -------
    Path
        The path of the page.
    """
    out = Path(out)
    gains = {
        system: [track_means(track)[system][1] for track in scores]
        for system in scores[0].systems
        if system != "mixture"
    }
    draw_boxes(gains, "SI-SDR gain of the vocals over the mixture, one dot per song", out / BOXES)
    for i, model in enumerate(windowed_models(scores)):
        windows = {t.key: [row["si_sdr_gain"] for row in t.systems[model]] for t in scores}
        draw_boxes(windows, f"SI-SDR gain of {model}, one dot per window", out / SONG_BOXES.format(i))
    write_text(out / TABLE, as_csv(scores))
    write_text(out / PAGE, page(scores, failures))
    figures = {
        "songs": len(scores), "windows": sum(len(track.starts) for track in scores),
        "systems": summarise(scores), "lacking": lacking(scores), "failures": {**failures},
    }  # fmt: skip
    write_json(out / SUMMARY, figures)
    return out / PAGE


def windowed_models(scores: Sequence[TrackScores]) -> list[str]:
    """Return the models whose windows are drawn by song: all if songs are cut into windows."""
    settings = scores[0].settings
    return [*settings["models"]] if settings["window"] else []


def as_csv(scores: Sequence[TrackScores]) -> str:
    """Return all scores as a table, a line for each window and system."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["track", "subset", "start", "seconds", "system", *scores[0].systems["mixture"][0]]
    )
    for track in scores:
        for system, rows in track.systems.items():
            for start, seconds, row in zip(track.starts, track.seconds, rows, strict=True):
                figures = [f"{value:.4f}" for value in row.values()]
                table.writerow(
                    [track.track, track.subset, f"{start:g}", f"{seconds:.3f}", system, *figures]
                )
    return text.getvalue().rstrip("\n")


def page(scores: Sequence[TrackScores], failures: Mapping[str, str]) -> str:
    """Return the page: summary, box plots, and the picture of each song."""
    settings = scores[0].settings
    windows = f"windows of {settings['window']:g} s" if settings["window"] else "whole songs"
    count = sum(len(track.starts) for track in scores)
    return PAGE_TEMPLATE.substitute(
        what=f"{len(scores)} songs, {count} scores: {windows} with vocals",
        summary=table(summary_rows(scores)),
        bss_eval=table(bss_eval_rows(scores)),
        boxes="".join(
            f'<p><img src="{name}" alt="box plots of SI-SDR gains"></p>'
            for name in (
                BOXES,
                *(SONG_BOXES.format(i) for i in range(len(windowed_models(scores)))),
            )
        ),
        lacking="".join(f"<p>{escape(line)}</p>" for line in lacking_lines(scores)),
        failures="".join(f"<p class=bad>{escape(k)}: {escape(v)}</p>" for k, v in failures.items()),
        songs=table(song_rows(scores)),
        pictures="".join(picture(track) for track in scores),
    )


def table(rows: Sequence[Mapping[str, str | float]]) -> str:
    """Return rows as an HTML table; an empty text if there are none."""
    if not rows:
        return ""
    heads = "".join(f"<th{align(value)}>{escape(name)}</th>" for name, value in rows[0].items())
    lines = "".join(f"<tr>{''.join(map(cell, row.values()))}</tr>" for row in rows)
    return (
        "<div class=scroll><table>"
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def cell(value: str | float) -> str:
    """Return a value as a cell of an HTML table."""
    return f"<td{align(value)}>{escape(decibels(value))}</td>"


def decibels(value: str | float) -> str:
    """Return a score as text; a dash where there is none."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.2f}" if np.isfinite(value) else "–"


def align(value: str | float) -> str:
    """Return the HTML attribute for a column of text; none for numbers."""
    return " class=name" if isinstance(value, str) else ""


def picture(track: TrackScores) -> str:
    """Return a song's spectrograms as HTML."""
    title, place = escape(track.key), quote(track.key, errors="surrogateescape")
    return (
        f'<h3 id="{place}">{title}</h3>'
        f'<img loading=lazy src="{PICTURES}/{place}.png" alt="spectrograms of {title}">'
    )


PAGE_TEMPLATE = Template("""<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>wavesep evaluate</title>
<style>
body {font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem}
table {border-collapse: collapse; font-variant-numeric: tabular-nums}
th, td {padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd}
.name {text-align: left}
thead th {position: sticky; top: 0; background: #fff; border-bottom: 2px solid #888}
img {max-width: 100%} .bad {color: #a00} .scroll {overflow-x: auto; margin: 1rem 0}
</style>
<h1>How well the vocals are isolated</h1>
<p>$what. Scores are in dB; higher is better. The row "mixture" scores the mixture itself, without
any model. The ideal masks are computed from the true stems; they show about the best that a system
of masks can reach. GNSDR is the gain of BSS Eval v3's SDR, a mean weighted by length. A second
table, if there is one, shows BSS Eval v4 (museval): medians over windows of 1 s, then over songs.
Windows without a score are left out of the means: if the accompaniment is silent, there is nothing
to separate, and a silent estimate has no SI-SDR.</p>
$summary
$lacking
$bss_eval
$boxes
$failures
<h2>Songs</h2>
<p>SI-SDR of the vocals.</p>
$songs
<h2>Spectrograms</h2>
<p>The eight seconds of each song with the loudest vocals.</p>
$pictures
</html>""")
