"""Every error that wavesep raises on purpose.

::

    WavesepError
    ├── AudioError (ValueError)        the sound cannot be read, or is not fit to be separated
    │   ├── EmptyAudioError            it has no samples
    │   ├── TruncatedAudioError        the file ends before its sound does
    │   ├── NonFiniteAudioError        a sample is NaN or infinite
    │   └── ClipError                  a part of a clip cannot be read, or is no sound
    ├── ModelFileError (ValueError)    a model file is missing, damaged or not one of ours
    ├── OptionError (ValueError)       an argument or a combination of arguments cannot work
    │   └── OtherRunError              the folder holds a training run with other settings
    └── OutputError (OSError)          a stem cannot be written
        ├── OutputExistsError          a file of that name is there already
        └── DiskFullError              no room is left for it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class WavesepError(Exception):
    """Base of every error that wavesep raises on purpose."""


class AudioError(WavesepError, ValueError):
    """The sound cannot be read, or is not fit to be separated."""


class EmptyAudioError(AudioError):
    """The sound has no samples."""


class TruncatedAudioError(AudioError):
    """The file ends before its sound does."""


class NonFiniteAudioError(AudioError):
    """A sample is NaN or infinite."""


class ClipError(AudioError):
    """A part of a clip cannot be read, or is no sound.

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
    """A model file is missing, damaged or not one of ours."""


class OptionError(WavesepError, ValueError):
    """An argument, or a combination of arguments, cannot work."""


class OtherRunError(OptionError):
    """The folder holds a training run with other settings."""


class OutputError(WavesepError, OSError):
    """A stem cannot be written."""


class OutputExistsError(OutputError, FileExistsError):
    """A file of that name is there already."""


class DiskFullError(OutputError):
    """No room is left for a stem."""
