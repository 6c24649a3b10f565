"""Every error that wavesep raises on purpose.

::

    WavesepError
    ├── AudioError (ValueError)        the audio cannot be read or separated
    │   ├── EmptyAudioError            it has no samples
    │   ├── TruncatedAudioError        the file ends before its sound does
    │   ├── TooLongError               it is longer than the caller allows
    │   ├── NonFiniteAudioError        a sample is NaN or infinite
    │   └── ClipError                  a part of a clip cannot be read or used
    ├── ModelFileError (ValueError)    a model file is missing, damaged or not a wavesep model
    ├── OptionError (ValueError)       an argument, or a combination of them, is invalid
    │   └── OtherRunError              the folder holds a training run with other settings
    ├── OutputError (OSError)          a file cannot be written
    │   ├── OutputExistsError          the file exists already
    │   └── DiskFullError              the disk is full, or the file too large for it
    ├── StoreError                     an object store cannot be reached or used
    ├── RemoteError                    a server refuses a request, or does not answer
    ├── CatalogueError                 a catalogue cannot go on
    └── WorkerError                    a training worker cannot join the others, or one has ended
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class WavesepError(Exception):
    """Base of every error that wavesep raises on purpose.

    Attributes
    ----------
    code : str
        The kind of error for programs, such as "truncated".
    """

    code = "error"


class AudioError(WavesepError, ValueError):
    """The audio cannot be read or separated."""

    code = "unreadable"


class EmptyAudioError(AudioError):
    """The audio has no samples."""

    code = "empty"


class TruncatedAudioError(AudioError):
    """The audio is cut short or damaged; the message says how many samples are good."""

    code = "truncated"


class TooLongError(AudioError):
    """The audio is longer than the caller allows."""

    code = "too_long"


class NonFiniteAudioError(AudioError):
    """A sample is NaN or infinite."""


class ClipError(AudioError):
    """A part of a clip cannot be read or used.

    Attributes
    ----------
    path : Path
        Of the clip.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        """Return one line that names the clip."""
        return self.reason if str(self.path) in self.reason else f"{self.path}: {self.reason}"


class ModelFileError(WavesepError, ValueError):
    """A model file is missing, damaged or not a wavesep model."""

    code = "model"


class OptionError(WavesepError, ValueError):
    """An argument, or a combination of arguments, is invalid."""

    code = "option"


class OtherRunError(OptionError):
    """The folder holds a training run with other settings."""


class OutputError(WavesepError, OSError):
    """A file cannot be written."""

    code = "output"


class OutputExistsError(OutputError, FileExistsError):
    """The file exists already."""


class DiskFullError(OutputError):
    """The disk is full, or the file is too large for its file system."""

    code = "disk_full"


class StoreError(WavesepError):
    """An object store cannot be reached or used."""

    code = "store"


class RemoteError(WavesepError):
    """A server refuses a request, cannot separate the song, or does not answer.

    Attributes
    ----------
    code : str
        The server's code for the reason, such as "unauthorised"; empty if it has given none.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class CatalogueError(WavesepError):
    """A catalogue cannot go on: no worker starts, or too many songs fail."""


class WorkerError(WavesepError):
    """A worker of a training cannot join the others, or another worker has ended."""
