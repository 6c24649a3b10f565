"""The client: uploads a song, waits for its job and downloads the stems."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..atomic import give_names, settle, unfinished, writing
from ..audio import TWO_STEMS
from ..audio.names import stem_paths
from ..audio.read import existing
from ..audio.write import CODECS
from ..errors import AudioError, OptionError, OutputExistsError, RemoteError
from .server import FIRST_PAUSE, LONGEST_PAUSE, Passing, Server

CHUNK = 8_000_000  # bytes that are uploaded at a time
FILENAME = "{track}/{stem}.{ext}"

Progress = Callable[[str, int, int], None]


class Client:
    """Separates songs on a server.

    Parameters
    ----------
    url : str
        The address of the server, such as "https://stems.example.org".
    token : str
        What the server has given its user for programs.
    insecure : bool
        Allow http to another machine: everybody between the two can then read the token.

    Raises
    ------
    OptionError
        If the address or the token is invalid, or the token would travel in clear.
    """

    def __init__(self, url: str, token: str, *, insecure: bool = False) -> None:
        self._server = Server(url, token, insecure)

    def separate(
        self,
        song: str | os.PathLike[str],
        output: str | os.PathLike[str] = "separated",
        *,
        model: str | None = None,
        codec: str = "flac",
        progress: Progress | None = None,
    ) -> dict[str, Path]:
        """Upload a song, separate it on the server and download its stems.

        After any error or interruption, the job is cancelled and no unfinished file is left.

        Parameters
        ----------
        song : path
            Any audio or video file.
        output : path
            The stems are ``output/NAME OF THE SONG/SOURCE.CODEC``.
        model : str, optional
            One of `models`. Default: that of the server.
        codec : {"wav", "flac", "mp3"}
        progress : callable, optional
            Called repeatedly with "uploading", "waiting", "separating" or "downloading", with how
            much of that is done, and with the total. An error that it raises ends the separation.

        Returns
        -------
        dict of str to Path
            The file of each stem.

        Raises
        ------
        AudioError
            If the song cannot be read here.
        OptionError
            If there is no such codec.
        OutputError
            If a stem exists already or cannot be written: see its subclasses.
        RemoteError
            If the server refuses the song, cannot separate it, or does not answer.
        """
        path, out, tell = existing(song), Path(output), progress or ignore
        if codec not in CODECS:
            raise OptionError(f"no codec {codec!r}: choose one of {', '.join(CODECS)}")
        check_free(stem_paths(path, out, FILENAME, TWO_STEMS, codec))
        uploaded = self._upload(path, tell)
        with self._server.after_failure("DELETE", f"/songs/{uploaded}"):
            job = self._new_job({"song": uploaded, "codec": codec, "model": model})
        with self._server.after_failure("POST", f"/jobs/{job}/cancel"):
            stems = self._wait(job, tell)
            paths = stem_paths(path, out, FILENAME, tuple(s["source"] for s in stems), codec)
            self._download(stems, [*paths.values()], out, f"/jobs/{job}/stems/", tell)
        return paths

    def me(self) -> dict[str, Any]:
        """Return the name of the user and the limits of the server, or raise RemoteError."""
        found: dict[str, Any] = self._server.ask("GET", "/me")
        return found

    def models(self) -> list[dict[str, Any]]:
        """Return the name of each model and what it is, or raise RemoteError."""
        found: list[dict[str, Any]] = self._server.ask("GET", "/models")
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """Return the last jobs of the user, the newest first, or raise RemoteError."""
        found: list[dict[str, Any]] = self._server.ask("GET", "/jobs")
        return found

    def _upload(self, path: Path, tell: Progress) -> str:
        """Upload a song; return its identifier.

        Raises
        ------
        AudioError, RemoteError
            See `separate`.
        """
        size = path.stat().st_size
        name = path.name.encode(errors="replace").decode()
        song: str = self._server.ask("POST", "/songs", {"name": name, "bytes": size})["id"]
        with self._server.after_failure("DELETE", f"/songs/{song}"):
            there: Any = {"offset": 0, "state": "uploading"}
            while there["state"] == "uploading":
                tell("uploading", there["offset"], size)
                there = self._server.patiently(lambda: self._send_chunk(song, path, size))
            if there["state"] != "ready":
                raise RemoteError(there["error"], there["state"])
            tell("uploading", size, size)
        return song

    def _send_chunk(self, song: str, path: Path, size: int) -> Any:
        """Ask how much of a song has arrived, and send what follows; return how much is there.

        Raises
        ------
        AudioError
            If the file cannot be read, or has become shorter.
        RemoteError, Passing
            See `Server.once`.
        """
        body = f"/songs/{song}/body"
        there = self._server.once("GET", body)
        if there["state"] != "uploading":
            return there
        chunk = read_chunk(path, there["offset"])
        if not chunk and there["offset"] < size:
            raise AudioError(f"{path} has become shorter while it was uploaded")
        # an empty chunk completes an upload that the server had not completed before a restart
        return self._server.once("PUT", body, chunk, {"Upload-Offset": str(there["offset"])})

    def _new_job(self, wanted: Mapping[str, str | None]) -> str:
        """Make a job; return its identifier."""
        body = {name: value for name, value in wanted.items() if value is not None}
        key = {"Idempotency-Key": uuid.uuid4().hex}  # the same in all tries
        job: str = self._server.ask("POST", "/jobs", body, key)["id"]
        return job

    def _wait(self, job: str, tell: Progress) -> list[dict[str, Any]]:
        """Wait for the end of a job; return what the server tells about its stems.

        Raises
        ------
        RemoteError
            If the job fails, or is cancelled by others.
        """
        pause = FIRST_PAUSE
        while True:
            found = self._server.ask("GET", f"/jobs/{job}")
            if found["state"] == "done":
                stems: list[dict[str, Any]] = found["stems"]
                return stems
            if found["state"] == "failed":
                raise RemoteError(found["error"], found["error_code"])
            if found["state"] == "cancelled":
                raise RemoteError("the job was cancelled on the server", "cancelled")
            if found["state"] == "running":
                tell("separating", found["done"], max(found["total"], 1))
            else:
                tell("waiting", 0, 1)
            time.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)

    def _download(
        self, stems: list[dict[str, Any]], paths: list[Path], out: Path, url: str, tell: Progress
    ) -> None:
        """Download stems; all get their final names, or none.

        Raises
        ------
        OutputError, RemoteError
            See `separate`.
        """
        total, before = sum(stem["bytes"] for stem in stems), 0
        with unfinished(out) as place:
            for number, (stem, path) in enumerate(zip(stems, paths, strict=True)):
                part = place / str(number)

                def report(there: int, before: int = before) -> None:
                    tell("downloading", before + there, total)

                with writing(path):
                    self._fetch(url + quote(stem["source"], ""), part, stem["bytes"], report)
                    check_hash(part, stem["sha256"], path)
                    settle(part)
                before += stem["bytes"]
            give_names(place, {str(i): path for i, path in enumerate(paths)}, overwrite=False)

    def _fetch(self, url: str, part: Path, size: int, report: Callable[[int], None]) -> None:
        """Download a file; after a lost connection, go on with the bytes that are missing.

        Raises
        ------
        RemoteError
            If the server refuses it, or sends nothing for too long.
        """
        with part.open("wb") as file:

            def fetch_more() -> None:
                begin, fault = file.tell(), Passing(f"{url} ends too early")
                try:
                    for block in self._server.blocks(url, begin):
                        file.write(block)
                        report(file.tell())
                except Passing as error:
                    fault = error
                if file.tell() == begin:
                    raise fault

            while file.tell() < size:
                self._server.patiently(fetch_more)


def check_free(paths: dict[str, Path]) -> None:
    """Check that no stem exists yet.

    Raises
    ------
    OutputExistsError
        If one does.
    """
    if there := [path for path in paths.values() if os.path.lexists(path)]:
        raise OutputExistsError(f"{there[0]} exists: choose another folder, or remove it")


def read_chunk(path: Path, at: int) -> bytes:
    """Read a chunk of a file.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(CHUNK)
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}") from error


def check_hash(part: Path, sha256: str, path: Path) -> None:
    """Check the content of a downloaded stem.

    Raises
    ------
    RemoteError
        If it is damaged.
    """
    with part.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise RemoteError(f"{path} arrived damaged: try again")


def ignore(*_: object) -> None:
    """Report no progress."""
