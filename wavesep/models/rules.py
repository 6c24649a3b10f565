"""Systems that nobody trains: a rule, and what follows from its numbers alone. No Keras."""

from __future__ import annotations

from typing import Any

from .spectrogram import check_stft, spectrogram_context

# By kind; `wavesep.engines.rules` is what runs them.
RULES: dict[str, dict[str, Any]] = {
    # Frames of 93 ms, in which the harmonics of a voice lie apart; pYIN is asked anew every
    # ``block`` frames, about 6 s, since the path that it finds hangs on all that it hears.
    "harmonic": {"window": 2048, "hop": 512, "block": 256, "channels": 1, "targets": 1},
    "centre": {"window": 4096, "hop": 1024, "channels": 2, "targets": 1},
    "phase_cancellation": {"channels": 2, "targets": 1},
}
RULE_RATES = {"harmonic": 22_050, "centre": 44_100, "phase_cancellation": 44_100}  # Hz


def check_rule(architecture: dict[str, Any]) -> None:
    """Raise ValueError unless the numbers of a rule can be."""
    if "window" in architecture:
        check_stft(architecture)


def rule_frame_size(architecture: dict[str, Any]) -> int:
    """Return the samples that a chunk's length is a multiple of."""
    return int(architecture.get("hop", 1) * architecture.get("block", 1))


def rule_context(architecture: dict[str, Any]) -> tuple[int, int]:
    """Return the samples that an estimate needs before and after itself."""
    if "window" not in architecture:
        return 0, 0
    block = architecture.get("block", 0)
    # a block is heard with as much around it
    return spectrogram_context(architecture, block, max(block, 1))
