"""Convert between the channels of a sound and those of a network."""

from __future__ import annotations

import numpy as np

from ..audio import Audio


def to_channels(audio: Audio, channels: int) -> Audio:
    """Return the sound with another number of channels: averaged to mono, then copied.

    Parameters
    ----------
    audio : float32 array, (samples, any)
    channels : int, >= 1

    Returns
    -------
    float32 array, (samples, channels)
        A copy, unless the sound has that number of channels already.
    """
    if audio.shape[1] == channels:
        return audio
    mean = audio @ np.full((audio.shape[1], 1), 1 / audio.shape[1], np.float32)
    return np.repeat(mean, channels, axis=1)


def split_channels(audio: Audio, channels: int) -> Audio:
    """Split the channels of a sound into groups of ``channels`` for a network.

    A stereo network takes channels 0 and 1, then 2 and 3, and so on. Where the last group is not
    full, its mean is copied to fill it: a mono sound becomes two equal channels.

    Parameters
    ----------
    audio : float32 array, (samples, any)
    channels : {1, 2}

    Returns
    -------
    float32 array, (groups, samples, channels)
    """
    groups = [
        to_channels(audio[:, i : i + channels], channels)
        for i in range(0, audio.shape[1], channels)
    ]
    return np.stack(groups)


def join_channels(groups: Audio, channels: int) -> Audio:
    """Undo `split_channels`: copies of one channel are averaged.

    Parameters
    ----------
    groups : float32 array, (groups, samples, channels of the network)
    channels : int, >= 1
        Channels of the sound that was split.

    Returns
    -------
    float32 array, (samples, channels)
    """
    step = groups.shape[2]
    parts = [to_channels(group, min(step, channels - i * step)) for i, group in enumerate(groups)]
    return np.concatenate(parts, axis=1)
