"""``wavesep serve`` and ``wavesep worker``."""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import socket
import threading
import webbrowser
from dataclasses import fields
from typing import Any

from rich.console import Console

from ..errors import OptionError
from ..models.files import ready_models
from ..web.config import Config
from ..web.stores import Store
from .console import add_command, plain_console

SERVE = """Start the web application: pages where people drop songs, listen while these
are separated and download the stems, and an interface for programs.

It prints a link that logs you in. Everything stays on this machine, in the data
folder. Ctrl-C ends it; unfinished songs go on at the next start.
"""
WORKER = """Separate the songs of a server that runs elsewhere, with the same database, and
with the same data folder or the same store.
"""
PASSWORD = "WAVESEP_ADMIN_PASSWORD"
BACKLOG = 128  # connections that wait while the web process starts


def add_serve(commands: Any) -> None:
    """Add ``wavesep serve``."""
    command = add_command(commands, serve, "start the web application", SERVE)
    add = command.add_argument
    add(
        "--host",
        default=Config.host,
        help="address to listen on (default: %(default)s, which only this machine can reach)",
    )
    add("--port", type=int, default=Config.port, help="default: %(default)s; 0 takes a free one")
    add(
        "--hosts",
        nargs="+",
        default=(),
        metavar="NAME",
        help="further names by which browsers may call it",
    )
    add(
        "--proxy",
        default="",
        metavar="ADDRESS",
        help="address of a proxy (nginx, Caddy) that ends https before it",
    )
    add(
        "--admin",
        metavar="NAME",
        help=f"make an administrator, or give one a new password; it is asked for, or read from "
        f"{PASSWORD}",
    )
    add("--open", action="store_true", help="open the link in a browser")
    add(
        "--workers",
        type=int,
        default=Config.workers,
        help="songs that are separated at a time (default: %(default)s)",
    )
    add(
        "--longest-song",
        type=float,
        default=Config.longest_song,
        metavar="SECONDS",
        help="default: %(default)g",
    )
    add(
        "--largest-song",
        type=int,
        default=Config.largest_song,
        metavar="BYTES",
        help="default: %(default)s",
    )
    add(
        "--seconds-a-day",
        type=float,
        default=Config.seconds_a_day,
        metavar="SECONDS",
        help="audio that is separated for each user every day, at most (default: no limit)",
    )
    add("--live", type=int, default=Config.most_live, dest="most_live", metavar="N",
        help="live streams at a time, each of half a core (default: %(default)s)")  # fmt: skip
    add("--days-kept", type=float, default=Config.days_kept, metavar="DAYS",
        help="songs and stems are deleted after this time (default: %(default)g)")  # fmt: skip
    add_shared(command)


def add_worker(commands: Any) -> None:
    """Add ``wavesep worker``."""
    add_shared(add_command(commands, worker, "separate songs for a web application", WORKER))


def add_shared(command: argparse.ArgumentParser) -> None:
    """Add the options of both commands."""
    add = command.add_argument
    add("--data", metavar="FOLDER", help=f"data folder (default: {Config().data})")
    add(
        "--database",
        default="",
        metavar="URL",
        help="postgres://USER:PASSWORD@HOST:PORT/NAME (default: SQLite in the data folder)",
    )
    add("--store", default="", metavar="URL",
        help="folder for songs and stems that fsspec reaches, such as s3://bucket/folder "
        "(default: the data folder); secrets are read from the environment")  # fmt: skip
    add(
        "--model",
        default=Config.model,
        help=f"for jobs that name none: {', '.join(ready_models())}, or a file "
        "(default: %(default)s)",
    )
    add(
        "--threads",
        type=int,
        default=Config.threads,
        help="threads of each worker (default: one for each core)",
    )
    add("--json-log", action="store_true",
        help="write the log as JSON, with the requests")  # fmt: skip


def serve(args: argparse.Namespace, console: Console) -> int:
    """Run a server until it is interrupted.

    Raises
    ------
    OptionError
        If the address is in use, or is open to others while there is no administrator.
    """
    config = set_up(args)
    from django.core.management import call_command

    from ..web.access import has_admin, local_user, make_admin, new_invitation
    from ..web.supervisor import supervise

    call_command("migrate", verbosity=0)
    if args.admin:
        make_admin(args.admin, ask_password(args.admin))
    if not (config.is_local or has_admin()):
        raise OptionError(
            f"others can reach {config.host}: add --admin NAME, which asks for a password"
        )
    with listen(config) as listener:
        host, port = listener.getsockname()[:2]
        site = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        link = f"{site}/enter?key={new_invitation(local_user())}" if config.is_local else site
        output = plain_console()
        output.print(f"wavesep runs at {link}", soft_wrap=True)
        if config.is_local:
            output.print("The link works once; later, the browser remembers you. Ctrl-C ends it.")
        if args.open:
            webbrowser.open(link)
        supervise(config, listener, stop_of_signals())
    return 0


def worker(args: argparse.Namespace, console: Console) -> int:
    """Separate songs until it is interrupted.

    Raises
    ------
    OptionError
        If the extra package is missing.
    """
    config = set_up(args)
    from ..web.processes import run_worker

    run_worker(config)
    return 0


def set_up(args: argparse.Namespace) -> Config:
    """Return the settings of a command, with Django made ready for them.

    Raises
    ------
    OptionError
        If Django is not installed, or the store is none.
    StoreError
        If the store cannot be reached.
    """
    known = {field.name for field in fields(Config)}
    given = {name: value for name, value in vars(args).items() if name in known}
    given["data"] = os.path.abspath(given["data"] or Config().data)
    if "hosts" in given:
        given["hosts"] = tuple(given["hosts"])
    config = Config(**given)
    if config.store:
        Store(config.store).check()
    os.environ.update(config.to_environment())
    try:
        import django
    except ImportError:
        raise OptionError('this needs Django: run pip install "wavesep[web]"') from None
    from ..web.logs import set_up_log

    set_up_log(config)
    django.setup()
    return config


def ask_password(name: str) -> str:
    """Return the password for an administrator.

    Raises
    ------
    OptionError
        If it is typed differently the second time.
    """
    password = os.environ.get(PASSWORD)
    if password is None:
        password = getpass.getpass(f"password for {name}: ")
        if getpass.getpass("once more: ") != password:
            raise OptionError("the two passwords differ: start again")
    return password


def listen(config: Config) -> socket.socket:
    """Return a socket that listens at the address of the settings.

    Raises
    ------
    OptionError
        If that is impossible.
    """
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number and number > 0 else error
        raise OptionError(
            f"cannot listen at {config.host}, port {config.port}: {reason}; choose another --port"
        ) from None


def stop_of_signals() -> threading.Event:
    """Return an event that the first SIGINT, SIGTERM or SIGHUP sets."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    return stop
