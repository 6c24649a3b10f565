"""A list of links becomes a prepared set, whatever the sites answer."""

from __future__ import annotations

import csv
import functools
import io
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from . import RATE, by_path, run, sound


class Site(BaseHTTPRequestHandler):
    """A site on this machine that has sound, and answers as sites do: well, badly, slowly."""

    sound = b""
    cut_once: set[str]
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        """Answer a request for one of: good, cut (the first time), always-cut, slow, gone."""
        name = self.path.strip("/").removesuffix(".wav")
        if name not in ("good", "cut", "always-cut", "slow"):
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-.*", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and name == "cut" else 0
        content = self.sound[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Content-Length", str(len(content)))
        if start:
            size = len(self.sound)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        if not body:
            return
        half = content[: len(content) // 2]
        if name == "good" or start:
            self.wfile.write(content)
        elif name == "slow":
            self.wfile.write(half)
            self.wfile.flush()
            self.server.slow.wait(30)  # type: ignore[attr-defined]
        else:
            self.wfile.write(half)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    """The address of a site, and what it was asked for."""
    with io.BytesIO() as file:
        soundfile.write(file, sound(2, 5), RATE, format="WAV")
        content = file.getvalue()
    asked: list[str] = []
    handler = type("OurSite", (Site,), {"sound": content, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.slow = threading.Event()  # type: ignore[attr-defined]
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.05))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.slow.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_download(site: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = site
    out, links = tmp_path / "prepared", tmp_path / "links.csv"
    lines = [
        "url,stem,name,start,end,licence",
        f"{address}/good.wav,vocals,Ä song,0.5,1.5,CC0",
        f"{address}/cut.wav,accompaniment,,,,",
        f"{address}/always-cut.wav,vocals,,,,",
        f"{address}/slow.wav,vocals,,,,",
        f"{address}/gone.wav,vocals,,,,",
    ]
    links.write_text("\n".join(lines), encoding="utf-8")
    arguments = [out, links, "--valid-share", 0, "--timeout", 0.3]

    printed = run("download.py", *arguments, code=1)

    told = {
        name
        for name in ("always-cut", "slow", "gone")
        if f"failed {address}/{name}.wav: " in printed
    }
    assert told == {"always-cut", "slow", "gone"}, printed
    entries = list(by_path(out).values())
    (vocals,) = [e for e in entries if e.stem == "vocals"]
    (rest,) = [e for e in entries if e.stem == "accompaniment"]
    assert vocals.path == "train/vocals/Ä song 0.5-1.5.flac"
    assert (vocals.source, vocals.licence) == (f"{address}/good.wav", "CC0")
    audio, _ = soundfile.read(out / vocals.path, dtype="float32")
    np.testing.assert_allclose(audio, sound(2, 5)[RATE // 2 : RATE * 3 // 2], atol=1e-4)
    assert (rest.seconds, rest.licence) == (2.0, "not stated")
    with (out / "failed.csv").open(encoding="utf-8") as file:
        failed = {row["url"]: row["reason"] for row in csv.DictReader(file)}
    names = ("always-cut", "slow", "gone")
    assert failed.keys() == {f"{address}/{name}.wav" for name in names}
    assert all(failed.values())
    # again: what is there is not asked for; the list of failures is one to be tried
    del asked[:]
    run("download.py", out, out / "failed.csv", "--timeout", 0.3, code=1)
    assert asked
    assert not {"/good.wav", "/cut.wav"} & {*asked}
    assert len(by_path(out)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it holds no links"),
        ("url,stem\nhttp://a/b,violin\n", "link 1 has no stem"),
        ("url,stem\na song,vocals\n", "link 1 has no url"),
        ("url,stem,start,end\nhttp://a/b,vocals,3,2\n", "link 1 ends before it starts"),
        ("url,stem,start\nhttp://a/b,vocals,soon\n", "cannot be used"),
    ],
)
def test_a_bad_list_is_told(tmp_path: Path, text: str, message: str) -> None:
    links = tmp_path / "links.csv"
    links.write_text(text)

    assert message in run("download.py", tmp_path / "out", links, code=2)
