"""The manifest of a prepared set: the stem, source, licence and level of every file."""

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
DEPTH = 3  # how many folders above a folder of stems its manifest may be


@dataclass(frozen=True)
class Entry:
    """A file of a prepared set.

    Attributes
    ----------
    path : str
        Relative to the manifest's folder, with slashes.
    stem : {"vocals", "accompaniment"}
    source : str
        Origin of the sound.
    licence : str
    seconds : float
    sample_rate : int
        In Hz.
    channels : int
    peak : float
        The largest magnitude of a sample.
    loudness : float
        Integrated loudness in LUFS (ITU-R BS.1770-4); -inf for silence and for less than 0.4 s.
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
        """The rate, channels and length that the file's header has."""
        return AudioInfo(
            self.sample_rate, self.channels, round(self.seconds * self.sample_rate), bits=16
        )


def read_manifest(folder: str | os.PathLike[str]) -> list[Entry]:
    """Read the manifest of a prepared set.

    Parameters
    ----------
    folder : path
        Of the set.

    Returns
    -------
    list of Entry

    Raises
    ------
    AudioError
        If there is no manifest, or it is damaged.
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
    """Return a row of the table as an entry.

    Raises
    ------
    KeyError, TypeError, ValueError
        If a column is missing, or a value is not of its type.
    """
    if "kind" in row:  # the name of the stem's column in the first manifests
        row = {"stem": row["kind"]} | row
    convert = {"float": float, "int": int, "str": str}
    return Entry(**{f.name: convert[str(f.type)](row[f.name]) for f in fields(Entry)})


def write_manifest(folder: str | os.PathLike[str], entries: Iterable[Entry]) -> None:
    """Write the manifest of a prepared set, sorted by path, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [f.name for f in fields(Entry)])
    table.writeheader()
    table.writerows(asdict(entry) for entry in sorted(entries, key=lambda e: e.path))
    write_whole(Path(folder, MANIFEST), text.getvalue().encode())


def known_infos(folder: Path) -> dict[Path, AudioInfo]:
    """Return the properties of the files below a folder as the manifest has them.

    The manifest is in the folder or above it. With it, no file needs to be opened. Without one, the
    result is empty.

    Raises
    ------
    AudioError
        If the manifest is damaged, or a file that it names is missing.
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
