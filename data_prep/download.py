"""Download the links of a list with yt-dlp, and prepare a set from them.

    python data_prep/download.py prepared links.csv
    python data_prep/download.py prepared links.txt --stem accompaniment

A CSV file begins with a line of column names: url and stem (vocals or accompaniment), and
optionally name, start, end (in seconds) and licence. A text file has one link per line. Downloads
stay in prepared/downloads, so the same command continues where it was stopped, even within a file.
If a download fails, the others continue. prepared/failed.csv lists the failed links as a list that
can be tried again. You are responsible for the licences of your downloads.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from extras import extra
from preparing import Song, Sound, add_options, prepare, split_of
from rich.console import Console
from rich.progress import track

from wavesep.audio import TWO_STEMS
from wavesep.audio.read import read_audio
from wavesep.errors import AudioError

with extra():
    import yt_dlp

DOWNLOADS = "downloads"
FAILED = "failed.csv"
RETRIES = 3
TIMEOUT = 20  # seconds without data
LONGEST_NAME = 80  # characters of a name that is made from a link


@dataclass(frozen=True)
class Link:
    """A line of the list; ``start`` and ``end`` are seconds as text, or empty."""

    url: str
    stem: str
    name: str = ""
    start: str = ""
    end: str = ""
    licence: str = ""

    @property
    def title(self) -> str:
        """The name, or one made from the link, with the part of the file."""
        part = f" {self.start}-{self.end}" if self.start or self.end else ""
        if self.name:
            return self.name + part
        plain = re.sub(r"[^\w.-]+", "_", unquote(self.url.split("://", 1)[-1])).strip("_")
        if len(plain) > LONGEST_NAME:
            plain = f"{plain[:LONGEST_NAME]} {digest(self.url)[:8]}"
        return plain + part


class Quiet:
    """Discards the output of yt-dlp; its errors are also raised as exceptions."""

    def debug(self, message: str) -> None:
        """Discard a message."""

    warning = error = info = debug


def main() -> int:
    """Read the command line, download, prepare, return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument(
        "links", type=Path, help="a .csv file, or a text file with one link per line"
    )
    parser.add_argument("--stem", choices=TWO_STEMS, help="stem of links that have none")
    parser.add_argument(
        "--licence",
        default="not stated",
        help="licence of links that have none (default: %(default)s)",
    )
    parser.add_argument(
        "--valid-share",
        type=float,
        default=0.1,
        help="share of songs for validation (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the splits (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="S",
        help="give up after this many seconds without data (default: %(default)s)",
    )  # fmt: skip
    args = parser.parse_args()
    try:
        links = read_links(args.links, args.stem)
    except (OSError, ValueError, csv.Error) as error:
        parser.error(f"{args.links} cannot be used: {error}")
    folder = args.out / DOWNLOADS
    folder.mkdir(parents=True, exist_ok=True)
    try:
        failures = download_all(links, folder, args.jobs, args.timeout)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    write_failed(args.out, failures)
    songs = [
        Song(
            link.title, split_of(link.title, args.valid_share, args.seed), link.url,
            link.licence or args.licence, partial(read_link, link, folder), (link.stem,),
        )
        for link in links
        if link not in failures
    ]  # fmt: skip
    code = prepare(songs, args.out, args.jobs)
    for link, reason in failures.items():
        print(f"failed {link.url}: {reason}", file=sys.stderr)
    return code or (1 if failures else 0)


def read_links(path: Path, stem: str | None) -> list[Link]:
    """Read a list of links.

    Raises
    ------
    ValueError
        If a link has no URL or no stem, or ends before it starts, or there are no links.
    """
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".csv":
        known = {f.name for f in fields(Link)}
        rows = [
            {k.strip(): (v or "").strip() for k, v in row.items() if k and k.strip() in known}
            for row in csv.DictReader(text.splitlines())
        ]
    else:
        lines = (line.strip() for line in text.splitlines())
        rows = [{"url": line} for line in lines if line and not line.startswith("#")]
    links = []
    for number, row in enumerate(rows, 1):
        link = Link(**{"url": "", **row, "stem": row.get("stem") or stem or ""})
        if "://" not in link.url:
            raise ValueError(f"link {number} has no url")
        if link.stem not in TWO_STEMS:
            raise ValueError(f"link {number} has no stem: {' or '.join(TWO_STEMS)}, or give --stem")
        if float(link.end or "inf") <= float(link.start or 0):
            raise ValueError(f"link {number} ends before it starts")
        links.append(link)
    if not links:
        raise ValueError("it holds no links")
    return list(dict.fromkeys(links))


def download_all(links: Sequence[Link], folder: Path, jobs: int, timeout: float) -> dict[Link, str]:
    """Download every link once; return the reason for each that failed."""
    urls = list(dict.fromkeys(link.url for link in links))
    missing = [url for url in urls if not find_download(folder, url)]
    if missing[: len(urls) - len(missing)] != urls and len(missing) < len(urls):
        print(f"{len(urls) - len(missing)} links are downloaded already")
    fetch = partial(download, folder=folder, timeout=timeout)
    with ThreadPoolExecutor(jobs) as pool:
        answers = pool.map(fetch, missing)
        console = Console(stderr=True)
        reasons = dict(
            zip(missing, track(answers, "downloading", len(missing), console=console), strict=True)
        )
    return {link: reason for link in links if (reason := reasons.get(link.url))}


def download(url: str, folder: Path, timeout: float) -> str:
    """Download a link; return the reason if it fails, else an empty text."""
    options: dict[str, Any] = {
        "format": "bestaudio/best",
        "outtmpl": str(folder / f"{digest(url)}.%(ext)s"),
        "noplaylist": True,
        "retries": RETRIES,
        "fragment_retries": RETRIES,
        "socket_timeout": timeout,
        "logger": Quiet(),
        "noprogress": True,
        "fixup": "never",  # PyAV reads what FFmpeg would mend
    }
    try:
        with yt_dlp.YoutubeDL(options) as site:
            site.download([url])
    except (yt_dlp.utils.YoutubeDLError, OSError) as error:
        text = re.sub(r"\x1b\[[\d;]*m", "", str(error)).removeprefix("ERROR:").strip()
        return text.splitlines()[0] if text else "what came was cut off"
    return "" if find_download(folder, url) else "nothing came"


def digest(url: str) -> str:
    """Return the file name of a link, without its suffix."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def find_download(folder: Path, url: str) -> Path | None:
    """Return the complete file of a link, or None."""
    unfinished = {".part", ".ytdl"}
    files = folder.glob(f"{digest(url)}.*")
    return next((path for path in files if path.suffix not in unfinished), None)


def read_link(link: Link, folder: Path) -> dict[str, Sound]:
    """Decode the part of a download that is wanted.

    Raises
    ------
    AudioError
        If the file is missing or cannot be read, or ends before the part starts.
    """
    path = find_download(folder, link.url)
    if path is None:
        raise AudioError("its download is gone")
    audio, rate = read_audio(path)
    start, end = (round(float(s or d) * rate) for s, d in ((link.start, 0), (link.end, 1e6)))
    if start >= len(audio):
        raise AudioError(f"it is only {len(audio) / rate:.1f} s long, and is to start after that")
    return {link.stem: (audio[start:end], rate)}


def write_failed(out: Path, failures: dict[Link, str]) -> None:
    """Write the failed links as a list that can be tried again."""
    with (out / FAILED).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*(f.name for f in fields(Link)), "reason"])
        table.writeheader()
        table.writerows(asdict(link) | {"reason": reason} for link, reason in failures.items())


if __name__ == "__main__":
    sys.exit(main())
