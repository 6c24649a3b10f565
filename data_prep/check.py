"""Check a prepared set for faults that harm training.

    python data_prep/check.py prepared/

It finds

* files that are missing, changed, silent, clipped or have an offset;
* files with another sample rate than most, and mono files stored as stereo;
* files with a limited bandwidth, such as that of an MP3 at 16 kHz;
* files whose level is far from the median;
* the same sound in two files, at any level and in any format, above all in train/ and valid/;
* acapellas with music, and instrumentals with singing. It finds these with the shipped model, which
  makes mistakes: listen to them.

It prints a report and writes report.txt, report.json and a picture to prepared/check. The exit code
is 1 if it found something.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from examining import Examined, examine
from matplotlib.figure import Figure
from numpy.typing import NDArray
from preparing import INTERRUPTED, ignore_interrupts
from rich.console import Console
from rich.progress import track

from wavesep import Separator
from wavesep.audio import TWO_STEMS
from wavesep.audio.read import read_audio
from wavesep.data.manifest import Entry, read_manifest
from wavesep.errors import WavesepError

MOSTLY_SILENT = 0.9  # share of a file's tenths of a second
MANY_CLIPPED = 3  # runs per minute
OFF_ZERO = 0.01
NARROW = 0.75  # share of half the sample rate
FAR_LU = 12.0  # distance from the median of the stem
NOT_MUSIC_DB = -6.0  # least level of an acapella's vocals relative to the file
NOT_SUNG_DB = -3.0  # largest level of an instrumental's vocals relative to the file
SAME_PRINTS = 0.1  # common share of a fingerprint; between different sounds it is below a hundredth
COMMON_PRINT = 100  # a number that occurs more often is ignored
STEP = 4  # every fourth number is searched for

TITLES = {
    "missing": "Missing or changed",
    "twins": "The same sound twice",
    "leaks": "The same sound in train and in valid or test",
    "silent": "Silent, or nearly",
    "clipped": "Clipped",
    "offset": "Off zero",
    "rate": "Another sample rate than most",
    "mono": "Mono that poses as stereo",
    "bandwidth": "Bandwidth cut off",
    "level": "Far from the median level of its stem",
    "music": "Acapellas that may hold music",
    "singing": "Instrumentals that may hold singing",
}


@dataclass(frozen=True)
class Finding:
    """A fault of a file."""

    kind: str
    path: str
    what: str


def main() -> int:
    """Read the command line, examine, report, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", type=Path, help="folder of the prepared set")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="number of processes (default: one per core)")  # fmt: skip
    parser.add_argument("--no-listening", action="store_true", help="do not run the model; faster")
    args = parser.parse_args()
    try:
        entries = read_manifest(args.prepared)
    except WavesepError as error:
        parser.error(str(error))
    findings: list[Finding] = []
    examined: dict[str, Examined] = {}
    try:
        examine_all(args.prepared, entries, args.jobs, not args.no_listening, examined, findings)
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return INTERRUPTED
    known = [entry for entry in entries if entry.path in examined]
    for entry in known:
        findings += judge(entry, examined[entry.path])
    if known:
        findings += [*judge_rates(known), *judge_levels(known), *find_twins(known, examined)]
    text = report(entries, findings)
    out = args.prepared / "check"
    out.mkdir(exist_ok=True)
    (out / "report.txt").write_text(text, encoding="utf-8")
    (out / "report.json").write_text(as_json(known, examined, findings), encoding="utf-8")
    if known:
        draw(known, examined, out)
    print(text + f"\nwritten: {out}")
    return 1 if findings else 0


@cache
def separator() -> Separator:
    """Return the separator with the shipped model; each process loads it once."""
    return Separator("wavenet")


def examine_all(
    folder: Path, entries: Sequence[Entry], jobs: int, listen: bool,
    examined: dict[str, Examined], findings: list[Finding],
) -> None:  # fmt: skip
    """Examine all files in several processes; add the results to ``examined`` and ``findings``."""
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), ignore_interrupts)
    try:
        results = pool.map(examine_file, [folder] * len(entries), entries, [listen] * len(entries))
        console = Console(stderr=True)
        for entry, result in zip(
            entries, track(results, "examining", len(entries), console=console), strict=True
        ):
            if isinstance(result, str):
                findings.append(Finding("missing", entry.path, result))
            else:
                examined[entry.path] = result
    finally:
        pool.shutdown(cancel_futures=True)


def examine_file(folder: Path, entry: Entry, listen: bool) -> Examined | str:
    """Return the properties of a file, or why it cannot be examined."""
    path = folder / entry.path
    if not path.is_file():
        return "it is not there"
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
        return "it is not the file that the manifest knows"
    try:
        audio, rate = read_audio(path)
    except WavesepError as error:
        return str(error)
    return examine(audio, rate, separator() if listen else None)


def judge(entry: Entry, file: Examined) -> Iterator[Finding]:
    """Yield the faults of one file."""
    half = entry.sample_rate / 2
    if file.silent >= MOSTLY_SILENT:
        yield Finding("silent", entry.path, f"{file.silent:.0%} of it")
    if file.clipped > MANY_CLIPPED * max(entry.seconds / 60, 1):
        yield Finding("clipped", entry.path, f"{file.clipped} times")
    if file.offset > OFF_ZERO:
        yield Finding("offset", entry.path, f"{file.offset:.1%} of full scale")
    if file.mono:
        yield Finding("mono", entry.path, f"{entry.channels} channels, all the same")
    if file.bandwidth < NARROW * half and file.silent < MOSTLY_SILENT:
        yield Finding("bandwidth", entry.path, f"nothing above {file.bandwidth / 1000:.1f} kHz")
    if entry.stem == "vocals" and file.vocals < NOT_MUSIC_DB:
        yield Finding("music", entry.path, f"its vocals at {file.vocals:.1f} dB")
    if entry.stem == "accompaniment" and file.vocals > NOT_SUNG_DB:
        yield Finding("singing", entry.path, f"vocals at {file.vocals:.1f} dB")


def judge_rates(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Yield the files whose sample rate is not the most common one."""
    seconds: Counter[int] = Counter()
    for entry in entries:
        seconds[entry.sample_rate] += round(entry.seconds)
    for entry in entries:
        if entry.sample_rate != seconds.most_common(1)[0][0]:
            yield Finding("rate", entry.path, f"{entry.sample_rate:,} Hz")


def judge_levels(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Yield the files whose loudness is far from the median of their stem."""
    for stem in TWO_STEMS:
        ours = [e for e in entries if e.stem == stem and np.isfinite(e.loudness)]
        median = float(np.median([e.loudness for e in ours])) if ours else 0.0
        for entry in ours:
            if abs(entry.loudness - median) > FAR_LU:
                yield Finding(
                    "level", entry.path, f"{entry.loudness:.1f} LUFS, the median is {median:.1f}"
                )


def find_twins(entries: Sequence[Entry], examined: Mapping[str, Examined]) -> Iterator[Finding]:
    """Yield the pairs of files with the same sound; stems of one song are not compared."""
    hashes: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        hashes[entry.sha256].append(entry)
    same = {pair for twins in hashes.values() for pair in combinations(twins, 2)}
    for first, second in sorted(same, key=lambda pair: pair[0].path):
        yield twin(first, second, "the same file as")
    shares = shared_prints([examined[entry.path].prints for entry in entries])
    for (i, j), share in sorted(shares.items()):
        first, second = entries[i], entries[j]
        if (first, second) not in same and song_of(first) != song_of(second):
            yield twin(first, second, f"{share:.0%} of its fingerprint is in")


def twin(first: Entry, second: Entry, how: str) -> Finding:
    """Return the finding that two files contain the same sound."""
    kind = "twins" if split_of(first) == split_of(second) else "leaks"
    return Finding(kind, first.path, f"{how} {second.path}")


def shared_prints(prints: Sequence[NDArray[np.uint32]]) -> dict[tuple[int, int], float]:
    """Return the pairs of fingerprints with a large common part, and its share of one of them.

    Every fourth number of each fingerprint is searched for in all others. Matches count if they
    have the same distance in both.
    """
    every = [(i, np.arange(0, len(p), STEP)) for i, p in enumerate(prints)]
    numbers = np.concatenate([prints[i][places] for i, places in every])
    files = np.concatenate([np.full(len(places), i) for i, places in every])
    places = np.concatenate([places for _, places in every])
    order = np.argsort(numbers, kind="stable")
    numbers, files, places = numbers[order], files[order], places[order]
    sizes = np.bincount(files[numbers > 0], minlength=len(prints))

    shares: dict[tuple[int, int], float] = {}
    for j, ours in enumerate(prints):
        left, right = (np.searchsorted(numbers, ours, side) for side in ("left", "right"))
        counts = np.where((ours == 0) | (right - left > COMMON_PRINT), 0, right - left)
        there = np.repeat(np.arange(len(ours)), counts)
        first_of_run = np.repeat(np.cumsum(counts) - counts, counts)
        hits = np.repeat(left, counts) + np.arange(len(there)) - first_of_run
        shifts = (places[hits] - there) // (2 * STEP)
        found, times = np.unique(np.stack([files[hits], shifts]), axis=1, return_counts=True)
        for i, count in zip(found[0].tolist(), times.tolist(), strict=True):
            share = count / sizes[i]
            if i != j and share >= SAME_PRINTS:
                pair = (min(i, j), max(i, j))
                shares[pair] = max(shares.get(pair, 0.0), min(share, 1.0))
    return shares


def split_of(entry: Entry) -> str:
    """Return the split of a file."""
    return entry.path.split("/", 1)[0]


def song_of(entry: Entry) -> tuple[str, str]:
    """Return the split and the song of a file; they are the same for the stems of a song."""
    split, _, name = entry.path.split("/", 2)
    return split, name


def report(entries: Sequence[Entry], findings: Sequence[Finding]) -> str:
    """Return all findings as text."""
    lines = []
    for split in sorted({split_of(entry) for entry in entries}):
        for stem in TWO_STEMS:
            ours = [e for e in entries if e.stem == stem and split_of(e) == split]
            minutes = sum(e.seconds for e in ours) / 60
            lines.append(f"{split} {stem}: {len(ours)} files, {minutes:.1f} min")
    for name, title in TITLES.items():
        ours_found = [finding for finding in findings if finding.kind == name]
        if ours_found:
            lines.append(f"\n{title}: {len(ours_found)}")
            lines += [f"  {finding.path}: {finding.what}" for finding in ours_found]
    if not findings:
        lines.append("nothing found")
    return "\n".join(lines) + "\n"


def as_json(
    entries: Sequence[Entry], examined: Mapping[str, Examined], findings: Sequence[Finding]
) -> str:
    """Return the findings and the properties of every file as JSON."""
    files = {}
    for entry in entries:
        figures = asdict(entry) | asdict(examined[entry.path])
        del figures["prints"]
        # JSON has no nan and no infinity
        finite = {k: v for k, v in figures.items() if not isinstance(v, float) or np.isfinite(v)}
        files[entry.path] = dict.fromkeys(figures) | finite
    found = [asdict(finding) for finding in findings]
    return json.dumps({"findings": found, "files": files}, indent=1, ensure_ascii=False) + "\n"


def draw(entries: Sequence[Entry], examined: Mapping[str, Examined], out: Path) -> None:
    """Draw histograms of levels, bandwidths, durations and the level of the model's vocals."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = {
        "loudness, LUFS": {e.path: e.loudness for e in entries},
        "bandwidth, kHz": {e.path: examined[e.path].bandwidth / 1000 for e in entries},
        "duration, s": {e.path: e.seconds for e in entries},
        "vocals by the model, dB": {e.path: examined[e.path].vocals for e in entries},
    }
    for axis, (title, values) in zip(figure.subplots(2, 2).ravel(), panels.items(), strict=True):
        groups = [
            [values[e.path] for e in entries if e.stem == stem and np.isfinite(values[e.path])]
            for stem in TWO_STEMS
        ]
        axis.hist(groups, bins=30, label=TWO_STEMS, stacked=True)
        axis.set(xlabel=title, ylabel="files")
    figure.legend(TWO_STEMS, loc="outside upper right", ncols=2)
    figure.savefig(out / "spread.png", dpi=90)


if __name__ == "__main__":
    sys.exit(main())
