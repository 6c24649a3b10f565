"""``wavesep remote``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import Progress

from ..audio import TWO_STEMS
from ..audio.names import stem_paths
from ..audio.write import CODECS
from ..errors import OptionError, WavesepError
from ..remote import Client
from ..remote.client import FILENAME
from .console import Parser, add_command, printable, song_bar, standard_output, table
from .separate import line_of
from .songs import Song, distinct, find_songs

SERVER, TOKEN = "WAVESEP_SERVER", "WAVESEP_TOKEN"  # environment variables
REMOTE = f"""Separate songs on a server that wavesep serve runs.

  wavesep remote separate song.mp3 --server https://stems.example.org
  wavesep remote models
  wavesep remote jobs

The address of the server is --server or the environment variable
{SERVER}; the token is --token or {TOKEN}. Other users of
this machine may see the options of a command, but not its environment.
"""
SEPARATE = """Upload songs, separate them on the server and download their stems.

The stems of song.mp3 are separated/song/vocals.flac and
separated/song/accompaniment.flac. SONG is a file, a folder, a pattern in
quotes, or "-" for standard input, as for wavesep separate.

If the connection is lost or the server is restarted, uploads and downloads go
on where they ended. Ctrl-C cancels the job on the server. If a song fails, the
others are still separated. The exit code is 0 if all songs succeeded, and 1 if
one failed.
"""


def add_remote(commands: Any) -> None:
    """Add ``wavesep remote`` and its own commands."""
    remote = commands.add_parser(
        "remote", help="separate songs on a server that wavesep serve runs", description=REMOTE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    own = remote.add_subparsers(
        metavar="COMMAND", title="commands", parser_class=Parser, required=True
    )
    command = add_command(own, separate, "separate songs on the server", SEPARATE)
    add = command.add_argument
    add("songs", nargs="+", metavar="SONG", help="a file, a folder, a pattern in quotes, or -")
    add("-o", "--out", type=Path, default="separated", metavar="DIR",
        help="output folder (default: %(default)s)")  # fmt: skip
    add("--model", metavar="NAME",
        help="a name from wavesep remote models (default: that of the server)")  # fmt: skip
    add("--codec", choices=CODECS, default="flac", help="of the stems (default: %(default)s)")
    add_server(command)
    add_server(add_command(own, models, "list the models of the server", "List the models."))
    add_server(add_command(own, jobs, "list your last jobs", "List your last jobs."))


def add_server(command: argparse.ArgumentParser) -> None:
    """Add the options that choose the server."""
    add = command.add_argument_group("server").add_argument
    add("--server", metavar="URL", default=os.environ.get(SERVER),
        help=f"its address (default: that of {SERVER})")  # fmt: skip
    add("--token", default=os.environ.get(TOKEN),
        help=f"made on the page of your account (default: that of {TOKEN})")  # fmt: skip
    add("--insecure", action="store_true",
        help="allow http to another machine: everybody between can read the token")  # fmt: skip


def client_of(args: argparse.Namespace) -> Client:
    """Return the client that the options describe.

    Raises
    ------
    OptionError
        If the server or the token is not given, or invalid.
    """
    if not args.server:
        raise OptionError(f"give the address of the server: --server or {SERVER}")
    if not args.token:
        raise OptionError(f"give the token for the server: --token or {TOKEN}")
    return Client(args.server, args.token, insecure=args.insecure)


def models(args: argparse.Namespace, console: Console) -> int:
    """List the models of a server.

    Raises
    ------
    OptionError, RemoteError
        See `Client`.
    """
    del console  # standard output is used
    standard_output().print(table(client_of(args).models()))
    return 0


def jobs(args: argparse.Namespace, console: Console) -> int:
    """List the last jobs of a user.

    Raises
    ------
    OptionError, RemoteError
        See `Client`.
    """
    del console  # standard output is used
    standard_output().print(table([row_of(job) for job in client_of(args).jobs()]))
    return 0


def row_of(job: dict[str, Any]) -> dict[str, str]:
    """Return what the list shows of a job."""
    is_running = job["state"] == "running" and job["total"]
    share = f" {100 * job['done'] // job['total']} %" if is_running else ""
    return {
        "song": job["title"],
        "state": job["state"] + share,
        "model": job["model"],
        "codec": job["codec"],
        "begun": job["created"][:16].replace("T", " "),
        "error": job["error"],
    }


def separate(args: argparse.Namespace, console: Console) -> int:
    """Separate songs on a server, and print the errors of those that failed at the end.

    Raises
    ------
    OptionError, RemoteError
        If the address or the token is wrong.
    """
    client = client_of(args)
    client.me()  # a wrong address or token is reported once, not for each song
    with TemporaryDirectory(prefix="wavesep-") as place, song_bar(console) as bar:
        songs, failures = find_songs(args.songs, args.out, Path(place))
        songs, clashes = distinct(songs, lambda song: paths_of(song, args))
        failures += clashes
        for number, song in enumerate(songs, 1):
            count = f" ({number} of {len(songs)})" if len(songs) > 1 else ""
            try:
                separate_song(client, song, args, bar, printable(song.path.name + count))
            except WavesepError as error:  # the other songs go on
                failures.append(song.failed(error))
    for failure in failures:
        print(f"wavesep: {printable(line_of(failure))}", file=sys.stderr)
    return 1 if failures else 0


def paths_of(song: Song, args: argparse.Namespace) -> list[Path]:
    """Return the paths that the stems of a song will probably have: the server knows the model."""
    return [*stem_paths(song.path, song.out, FILENAME, TWO_STEMS, args.codec).values()]


def separate_song(
    client: Client, song: Song, args: argparse.Namespace, bar: Progress, title: str
) -> None:
    """Separate one song, and print where its stems are.

    Raises
    ------
    WavesepError
        See `Client.separate`.
    """
    task = bar.add_task(title, total=None)
    step = ""

    def report(name: str, done: int, total: int) -> None:
        nonlocal step
        if name != step:
            step = name
            bar.reset(task, total=total, description=f"{title}: {name}")
        bar.update(task, completed=done, total=total)

    try:
        stems = client.separate(
            song.path, song.out, model=args.model, codec=args.codec, progress=report
        )
    finally:
        bar.remove_task(task)
    print(printable(f"{song.name} -> {', '.join(map(str, stems.values()))}"), flush=True)
