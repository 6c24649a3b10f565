"""Every error that wavesep raises on purpose.

::

    WavesepError
    ├── AudioError (ValueError)        the sound cannot be read, or is not fit to be separated
    │   ├── EmptyAudioError            it has no samples
    │   ├── TruncatedAudioError        the file ends before its sound does
    │   └── NonFiniteAudioError        a sample is NaN or infinite
    ├── ModelFileError (ValueError)    a model file is missing, damaged or not one of ours
    ├── OptionError (ValueError)       an argument or a combination of arguments cannot work
    └── OutputError (OSError)          a file cannot be written
        ├── OutputExistsError          a file of that name is there already
        └── DiskFullError              no room is left for it
"""


class WavesepError(Exception):
    """Base of every error that wavesep raises on purpose."""


class AudioError(WavesepError, ValueError):
    """The sound cannot be read, or is not fit to be separated."""


class EmptyAudioError(AudioError):
    """The sound has no samples."""


class TruncatedAudioError(AudioError):
    """The sound is good up to a place that the message names, and cut short or damaged there."""


class NonFiniteAudioError(AudioError):
    """A sample is NaN or infinite."""


class ModelFileError(WavesepError, ValueError):
    """A model file is missing, damaged or not one of ours."""


class OptionError(WavesepError, ValueError):
    """An argument, or a combination of arguments, cannot work."""


class OutputError(WavesepError, OSError):
    """A file cannot be written."""


class OutputExistsError(OutputError, FileExistsError):
    """A file of that name is there already."""


class DiskFullError(OutputError):
    """No room is left for a stem."""
