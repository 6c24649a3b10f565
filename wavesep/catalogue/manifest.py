"""The songs of a catalogue: from a manifest, a folder or a pattern."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.core import has_magic

from ..audio.suffixes import is_audio
from ..errors import AudioError, OptionError
from ..stores import opened, reaching

SUFFIXES = (".csv", ".parquet")
COLUMNS = ("id", "uri", "version", "bytes")
ROWS = 10_000  # of a Parquet file that are read at a time


@dataclass(frozen=True, slots=True)
class Song:
    """A song of a catalogue.

    Attributes
    ----------
    id : str
        Unique in the catalogue.
    uri : str
        Its file: a path or an fsspec URL.
    version : str
        Changes when the file changes, such as the ETag of an object store. A song whose version
        has changed is separated again.
    bytes : int
        Size of the file, or 0. Larger songs come first.
    """

    id: str
    uri: str
    version: str = ""
    bytes: int = 0

    @property
    def name(self) -> str:
        """The name of its files in the output; people's names are never part of a path."""
        version = f"-{digest(self.version)[:8]}" if self.version else ""
        return digest(self.id)[:32] + version


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def find_songs(source: str, out: str = "") -> Iterator[Song]:
    """Yield the songs of a manifest, a folder or a pattern.

    Parameters
    ----------
    source : str
        A manifest (.csv or .parquet, with the columns id and uri, and maybe version and bytes), a
        folder, or a pattern such as "songs/*.mp3"; each may be an fsspec URL.
    out : str
        The output. Songs in it are left out.

    Raises
    ------
    AudioError
        If there is no song, or no such folder.
    OptionError
        If the manifest cannot be used.
    """
    rows = read_manifest(source) if source.endswith(SUFFIXES) else list_songs(source, out)
    known: set[bytes] = set()
    for song in rows:
        key = bytes.fromhex(digest(song.id)[:32])
        if key in known:
            raise OptionError(f"{source} has the id {song.id!r} twice: ids must be unique")
        known.add(key)
        yield song
    if not known:
        raise AudioError(f"no song in {source}")


def list_songs(source: str, out: str) -> Iterator[Song]:
    """Yield the audio files of a folder with its folders, or of a pattern, without hidden ones."""
    fs, path = opened(source)
    with reaching(source):
        yield from listed(fs, path, source, out)


def listed(fs: AbstractFileSystem, path: str, source: str, out: str) -> Iterator[Song]:
    """Yield the audio files of an open file system; see `list_songs`."""
    fs.invalidate_cache()
    if has_magic(path):
        home = path[: path.index(next(letter for letter in path if letter in "*?["))]
        home = home.rpartition("/")[0]
        found = fs.glob(path, detail=True)
    else:
        home = path.rstrip("/")
        if not fs.exists(path):
            raise AudioError(f"{source} does not exist")
        found = fs.find(path, detail=True)
        if fs.isfile(path):
            home = home.rpartition("/")[0]
    skipped = place_in(fs, out)
    for file, about in sorted(found.items()):
        inner = PurePosixPath(file.removeprefix(home).lstrip("/"))
        is_hidden = any(part.startswith(".") for part in inner.parts)
        is_stem = skipped and file.startswith(skipped)
        if about["type"] == "file" and is_audio(inner) and not is_hidden and not is_stem:
            yield song_of(str(inner), fs.unstrip_protocol(file), about)


def place_in(fs: AbstractFileSystem, out: str) -> str:
    """Return the path of the output in a file system, or nothing if it is in another one."""
    if not out:
        return ""
    other, path = opened(out)
    return path.rstrip("/") + "/" if type(other) is type(fs) else ""


def song_of(name: str, uri: str, about: Mapping[str, Any]) -> Song:
    """Return a listed file as a song; its version is the ETag, or else the size."""
    size = int(about.get("size") or 0)
    return Song(name, uri, str(about.get("ETag") or about.get("etag") or size), size)


def read_manifest(source: str) -> Iterator[Song]:
    """Yield the songs of a manifest.

    Relative paths in it start at its folder.

    Raises
    ------
    OptionError
        If it cannot be read, or a row has no id or uri.
    """
    fs, path = opened(source)
    home = source.rpartition("/")[0]
    try:
        text = {"mode": "r", "encoding": "utf-8", "newline": ""}
        with fs.open(path, **(text if source.endswith(".csv") else {})) as file:
            for number, row in enumerate(rows_of(file, source), 1):
                if not (row.get("id") and row.get("uri")):
                    raise OptionError(f"row {number} of {source} lacks id or uri")
                uri = str(row["uri"])
                if home and not ("://" in uri or uri.startswith("/")):
                    uri = f"{home}/{uri}"
                size = int(row.get("bytes") or 0)
                yield Song(str(row["id"]), uri, str(row.get("version") or ""), size)
    except (OSError, ValueError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"{source} cannot be read: {error}") from error


def rows_of(file: Any, source: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of an open manifest."""
    if source.endswith(".csv"):
        yield from csv.DictReader(file)
        return
    from pyarrow import parquet

    table = parquet.ParquetFile(file)
    columns = [name for name in COLUMNS if name in table.schema_arrow.names]
    for batch in table.iter_batches(ROWS, columns=columns):
        yield from batch.to_pylist()


def write_manifest(songs: Iterable[Song], target: str) -> int:
    """Write songs as a manifest, .csv or .parquet; return how many these are.

    Raises
    ------
    OptionError
        If the suffix is another one.
    StoreError
        If it cannot be written.
    """
    if not target.endswith(SUFFIXES):
        raise OptionError(f"{target}: a manifest ends with .csv or .parquet")
    rows = [asdict(song) for song in songs]
    if target.endswith(".csv"):
        fs, path = opened(target)
        text = {"encoding": "utf-8", "newline": ""}
        with reaching(target), fs.open(path, "w", **text) as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    else:
        write_parquet(rows, target)
    return len(rows)


def write_parquet(rows: list[dict[str, Any]], target: str) -> None:
    """Write rows as a Parquet file."""
    import pyarrow
    from pyarrow import parquet

    fs, path = opened(target)
    with reaching(target), fs.open(path, "wb") as file:
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)
