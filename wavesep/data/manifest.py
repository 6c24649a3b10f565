"""The manifest of a prepared set: what every file is, where it comes from, how loud it is."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..atomic import write_whole
from ..audio.base import AudioInfo
from ..errors import AudioError

MANIFEST = "manifest.csv"
DEPTH = 3  # folders above a file at the most, in which its manifest may lie


@dataclass(frozen=True)
class Entry:
    """A file of a prepared set.

    Attributes
    ----------
    path : str
        Below the manifest's folder, with slashes.
    stem : {"vocals", "accompaniment"}
    source : str
        Where it comes from.
    licence : str
    seconds : float
    sample_rate : int
        In Hz.
    channels : int
    peak : float
        The largest magnitude of a sample.
    loudness : float
        Integrated, in LUFS (ITU-R BS.1770-4); -inf for silence and for less than 0.4 s.
    sha256 : str
        Of the file.
    """

    path: str
    stem: str
    source: str
    licence: str
    seconds: float
    sample_rate: int
    channels: int
    peak: float
    loudness: float
    sha256: str

    @property
    def info(self) -> AudioInfo:
        """What the file says of its sound."""
        return AudioInfo(
            self.sample_rate, self.channels, round(self.seconds * self.sample_rate), bits=16
        )


def read_manifest(folder: str | os.PathLike[str]) -> list[Entry]:
    """Read the manifest of a prepared set.

    Parameters
    ----------
    folder : path
        That of the set.

    Returns
    -------
    list of Entry

    Raises
    ------
    AudioError
        If there is none, or it is damaged.
    """
    path = Path(folder, MANIFEST)
    if not path.is_file():
        raise AudioError(f"no {MANIFEST} in {folder}: prepare it with a script of data_prep/")
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return [entry_of(row) for row in csv.DictReader(file)]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise AudioError(f"{path} is damaged ({error}): prepare the set again") from error


def entry_of(row: dict[str, str]) -> Entry:
    """Return a row of the table as an entry, or raise KeyError or ValueError."""
    if "kind" in row:  # the first manifests called the stem so
        row = {"stem": row["kind"]} | row
    convert = {"float": float, "int": int, "str": str}
    return Entry(**{f.name: convert[str(f.type)](row[f.name]) for f in fields(Entry)})


def write_manifest(folder: str | os.PathLike[str], entries: Iterable[Entry]) -> None:
    """Write the manifest of a prepared set whole or not at all, sorted by path."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [f.name for f in fields(Entry)])
    table.writeheader()
    table.writerows(asdict(entry) for entry in sorted(entries, key=lambda e: e.path))
    write_whole(Path(folder, MANIFEST), text.getvalue().encode())


def known_infos(folder: Path) -> dict[Path, AudioInfo]:
    """Return what a manifest says of the files below a folder; nothing if there is none.

    The manifest lies in the folder or above it. It spares opening every file.

    Raises
    ------
    AudioError
        If a file that it names is not there.
    """
    folder = folder.resolve()
    homes = [folder, *folder.parents][: DEPTH + 1]
    home = next((place for place in homes if (place / MANIFEST).is_file()), None)
    if home is None:
        return {}
    infos = {home / entry.path: entry.info for entry in read_manifest(home)}
    infos = {path: info for path, info in infos.items() if path.is_relative_to(folder)}
    if missing := sorted(str(path) for path in infos if not path.is_file()):
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise AudioError(
            f"{home / MANIFEST} names {missing[0]}{more}, which is not there: prepare the set again"
        )
    return infos
