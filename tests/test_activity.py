"""When somebody sings: frames, segments, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import wavesep.activity
from wavesep import vocal_activity
from wavesep.activity import long_segments, sung_segments
from wavesep.audio.read import read_audio
from wavesep.data.labels import label_at, read_labels
from wavesep.dsp.scores import accuracy, f1
from wavesep.errors import (
    AudioError,
    EmptyAudioError,
    ModelFileError,
    NonFiniteAudioError,
    OptionError,
)
from wavesep.models.files import load_model, read_model_file

RATE = 22_050


def noise(seconds: float, channels: int = 1) -> Any:
    """Return quiet noise."""
    shape = round(seconds * RATE), channels
    return np.random.default_rng(0).normal(0, 0.05, shape).astype(np.float32)


def test_each_frame_is_what_the_network_says_of_its_window() -> None:
    audio = noise(1.3)
    activity = vocal_activity(audio, RATE)

    # by hand: NumPy's transform of every window, Keras instead of OpenVINO
    network = load_model("vocal_activity")
    padded = np.pad(audio[:, 0], 12 * 256 + 512)
    window = np.hanning(1025)[:-1]
    assert len(activity.probabilities) == 1 + len(audio) // 256
    for frame in (0, 1, 57, len(activity.probabilities) - 1):
        pieces = [padded[(frame + k) * 256 :][:1024] for k in range(25)]
        pieces = [np.pad(piece, (0, 1024 - len(piece))) for piece in pieces]
        magnitudes = np.stack([np.abs(np.fft.rfft(window * p)) for p in pieces], axis=1)
        expected = network.predict_on_batch(magnitudes[np.newaxis].astype(np.float32))[0, 0]
        assert activity.probabilities[frame] == pytest.approx(float(expected), abs=0.02)
        assert activity.times[frame] == pytest.approx(frame * 256 / RATE)


def test_parts_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = noise(2)
    whole = vocal_activity(audio, RATE)
    monkeypatch.setattr(wavesep.activity, "FRAMES", 31)
    parts = vocal_activity(audio, RATE)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-5)


@settings(max_examples=200)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_segments_hold_the_sung_frames_and_no_others(frames: list[bool]) -> None:
    sung = np.array(frames)
    segments = sung_segments(sung, 0.01, end=0.01 * (len(frames) - 1))
    inside = [any(a <= 0.01 * k <= b for a, b in segments) for k in range(len(frames))]
    assert inside == frames
    edges = [edge for segment in segments for edge in segment]
    assert edges == sorted(edges)
    assert all(0 <= edge <= 0.01 * (len(frames) - 1) for edge in edges)


def test_any_rate_and_number_of_channels() -> None:
    audio = noise(1)
    high = soxr.resample(audio, RATE, 2 * RATE)
    expected = vocal_activity(audio, RATE).probabilities
    given_high = vocal_activity(np.repeat(high, 3, axis=1), 2 * RATE).probabilities
    assert len(given_high) == len(expected)
    np.testing.assert_allclose(given_high[5:-5], expected[5:-5], atol=0.15)
    np.testing.assert_allclose(vocal_activity(audio[:, 0], RATE).probabilities, expected)


def test_digital_silence_is_not_sung() -> None:
    activity = vocal_activity(np.zeros((RATE, 2), np.float32), RATE)
    assert not activity.probabilities.any()
    assert activity.segments == []


def test_bad_input(tiny_file: Path) -> None:
    audio = noise(0.1)
    with pytest.raises(EmptyAudioError):
        vocal_activity(audio[:0], RATE)
    with pytest.raises(NonFiniteAudioError):
        vocal_activity(audio * np.float32(np.nan), RATE)
    with pytest.raises(OptionError, match="sample_rate"):
        vocal_activity(audio, 10)
    with pytest.raises(OptionError, match="threshold"):
        vocal_activity(audio, RATE, threshold=1.0)
    with pytest.raises(OptionError, match="divide 16-bit"):
        vocal_activity(np.zeros(100, np.int16), RATE)
    with pytest.raises(OptionError, match="separates"):
        vocal_activity(audio, RATE, model=tiny_file)
    with pytest.raises(ModelFileError, match="no model"):
        vocal_activity(audio, RATE, model="nothing")


def test_labels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_text("split,clip,vocal_activity\ntrain,a,0110\nvalid,b,1\n")
    labels = read_labels(path)
    assert labels.keys() == {"a", "b"}
    assert [label_at(labels["a"], s) for s in (0, 0.021, 0.059, 0.061, 9)] == [0, 1, 1, 0, 0]
    assert read_labels(path, "valid").keys() == {"b"}
    path.write_text("song\na\n")
    with pytest.raises(AudioError, match="vocal_activity"):
        read_labels(path)
    with pytest.raises(AudioError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")


def test_accuracy_and_f1() -> None:
    truth, answer = np.array([1, 1, 1, 0, 0], bool), np.array([1, 1, 0, 1, 0], bool)
    assert accuracy(truth, answer) == pytest.approx(0.6)
    assert f1(truth, answer) == pytest.approx(2 / 3)
    assert f1(truth[3:], truth[3:]) == 1


def test_it_hears_singers_it_has_not_met(shared: Path) -> None:
    labels = read_labels(shared / "mir1k" / "clips.csv", "valid")
    truth, answers = [], []
    for clip in sorted(labels)[::48]:
        stems = [
            read_audio(shared / "mir1k" / "valid" / kind / f"{clip}.ogg")
            for kind in ("vocals", "accompaniment")
        ]
        activity = vocal_activity(stems[0][0] + stems[1][0], stems[0][1])
        truth += [label_at(labels[clip], moment) for moment in activity.times]
        answers += list(activity.probabilities)
    assert read_model_file("vocal_activity").parameters == 123_985
    # how often it is surer of a sung frame than of another: the area under the ROC curve
    sung, other = (np.array(answers)[np.array(truth) == kind] for kind in (True, False))
    area = stats.mannwhitneyu(sung, other).statistic / (len(sung) * len(other))
    assert area > 0.8


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 0.5), min_size=2, max_size=40), st.floats(0, 0.4))
def test_no_segment_and_no_pause_is_shorter_than_asked(steps: list[float], least: float) -> None:
    edges = np.cumsum(steps).tolist()
    segments = list(zip(edges[::2], edges[1::2], strict=False))

    kept = long_segments(segments, least)

    assert all(end - begin >= least for begin, end in kept)
    assert all(after[0] - before[1] >= least for before, after in pairwise(kept))
    assert {edge for segment in kept for edge in segment} <= {*edges}
    assert long_segments(segments, 0) == segments
    # what is long enough by itself is still sung
    for begin, end in segments:
        if end - begin >= least:
            assert any(a <= begin and end <= b for a, b in kept)


def test_short_segments_are_left_out() -> None:
    audio = noise(3)
    each = vocal_activity(audio, RATE, min_length=0)
    long = vocal_activity(audio, RATE, min_length=0.3)

    np.testing.assert_allclose(each.probabilities, long.probabilities, atol=1e-5)
    assert all(end - begin >= 0.3 for begin, end in long.segments)
    with pytest.raises(OptionError, match="min_length"):
        vocal_activity(audio, RATE, min_length=-1)
