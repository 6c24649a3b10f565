"""The settings of a server. No Django: the command line and child processes read them first."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

VARIABLE = "WAVESEP_WEB"  # the environment variable that hands the settings to child processes
MB = 1_000_000


def data_home() -> Path:
    """Return the default data folder: that of the XDG base directory specification."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "wavesep"


LIVE_MODEL = "wavenet"  # its latency is 1.5 s


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a server and its workers.

    Attributes
    ----------
    data : str
        The data folder, with the database, the songs and the stems.
    database : str
        "postgres://USER:PASSWORD@HOST:PORT/NAME"; an empty string is SQLite in the data folder.
    store : str
        The URL of a folder for songs and stems that fsspec reaches, such as "s3://bucket/folder";
        an empty string is the data folder.
    host, port : str, int
        Where the server listens.
    hosts : tuple of str
        Other host names by which browsers may call it.
    proxy : str
        Address of a proxy that is trusted to tell the scheme and the address of clients; an empty
        string is none.
    json_log : bool
        Write the log as JSON, with the requests.
    model : str
        The model of jobs that name none; see `wavesep.Separator`.
    workers : int
        Workers that ``wavesep serve`` starts.
    threads : int
        Threads of each worker; 0 is one for each core.
    most_memory : int
        Bytes of memory of a worker, at most; a song that needs more fails.
    largest_song : int
        Bytes of an uploaded file, at most.
    longest_song : float
        Seconds of a song, at most.
    most_channels : int
        Channels of a song, at most.
    most_waiting : int
        Jobs of a user that wait or run, at most.
    seconds_a_day : float
        Seconds of audio that are separated for a user each day, at most; 0 is no limit.
    most_bytes : int
        Bytes of a user's songs, at most; 0 is no limit.
    days_kept : float
        Days after which songs and their stems are deleted.
    most_live : int
        Live streams at a time; each needs about half a core.
    least_free : int
        Bytes of the disk that must stay free; below it no song is taken.
    """

    data: str = field(default_factory=lambda: str(data_home()))
    database: str = ""
    store: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    hosts: tuple[str, ...] = ()
    proxy: str = ""
    json_log: bool = False
    model: str = "vocals"
    workers: int = 1
    threads: int = 0
    most_memory: int = 4_000 * MB
    largest_song: int = 500 * MB
    longest_song: float = 3600.0
    most_channels: int = 8
    most_waiting: int = 100
    seconds_a_day: float = 0.0
    most_bytes: int = 0
    days_kept: float = 7.0
    most_live: int = 1
    least_free: int = 2_000 * MB

    @property
    def folder(self) -> Path:
        """The data folder."""
        return Path(self.data)

    @property
    def live_model(self) -> str:
        """The model of live sound: that of the jobs, but the default one would be too late."""
        return LIVE_MODEL if self.model == Config.model else self.model

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def to_environment(self) -> dict[str, str]:
        """Return the environment variables that hand the settings to a child process."""
        return {
            VARIABLE: json.dumps(asdict(self)),
            "DJANGO_SETTINGS_MODULE": "wavesep.web.settings",
        }


def read_config() -> Config:
    """Return the settings that the environment holds, or else the defaults."""
    known = json.loads(os.environ.get(VARIABLE, "{}"))
    if "hosts" in known:
        known["hosts"] = tuple(known["hosts"])
    return Config(**known)
