"""What many tests need: tiny networks with random weights, model files, folders of clips."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import av
import numpy as np
import pytest
import soundfile
from hypothesis import settings
from numpy.typing import NDArray

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.models.files import ModelFile

SHARED = Path(__file__).parents[2] / "shared" / "data"

# the machines that run this are shared, so no example has a deadline; runs can be replayed
settings.register_profile(
    "wavesep", deadline=None, derandomize=True, print_blob=True, max_examples=50
)
settings.load_profile("wavesep")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Let OpenVINO use one thread by default: on a busy machine, threads wait for each other."""
    from wavesep.engines.openvino import network, runtime

    def compile_for_one(core: Any, *given: Any) -> Any:
        if core.get_property("CPU", "INFERENCE_NUM_THREADS") == 0:
            core.set_property("CPU", {"INFERENCE_NUM_THREADS": 1})
        return runtime.compile_graph(core, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "compile_graph", compile_for_one)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator of random numbers, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real audio; a test that needs it is skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip("the real audio, ../shared/data, is not here")
    return SHARED


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of a small stereo network whose weights and biases are all random."""
    from wavesep import WaveNet

    network = WaveNet(
        filters=4, skip_filters=4, kernel_size=3, stacks=1, layers_per_stack=4, frame_size=4,
        padding="valid",
    )  # fmt: skip
    rng = np.random.default_rng(1)
    for variable in network.weights:
        variable.assign(rng.uniform(-0.5, 0.5, variable.shape))
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    about = {"sample_rate": 44_100, "sources": ("vocals", "accompaniment")}
    ModelFile.from_network(network, **about).save(path)
    return path


@pytest.fixture(scope="module")
def separator(tiny_file: Path) -> Separator:
    """A separator with chunks of a tenth of a second."""
    return Separator(tiny_file, precision="float32", chunk_seconds=0.1)


@pytest.fixture(scope="module")
def short_measurement() -> Iterator[None]:
    """Measure for a moment how fast mixtures are made: each training does so, for a second."""
    from wavesep.data import MixGenerator

    measure = MixGenerator.snippets_per_second
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MixGenerator, "snippets_per_second", lambda mixes, **_: measure(mixes, 0.01))
        yield


@pytest.fixture(scope="module")
def no_board(short_measurement: None) -> Iterator[None]:
    """Leave out the pictures for TensorBoard, which take longer than these trainings."""
    module = import_module("wavesep.training.fit")  # wavesep.training.fit is the function
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "open_board", lambda *_: None)
        yield


@pytest.fixture
def noise(rng: np.random.Generator) -> Audio:
    """Two seconds of quiet stereo noise at 44,100 Hz, a sample more than a round number."""
    return rng.uniform(-0.1, 0.1, (88_201, 2)).astype(np.float32)


@pytest.fixture
def song(tmp_path: Path, noise: Audio) -> Path:
    """A 16-bit WAV file of the noise."""
    path = tmp_path / "song.wav"
    soundfile.write(path, noise, 44_100, subtype="PCM_16")
    return path


# the first is one of those that the musdb package holds back for validation
MUSDB_SONGS = {
    "train": ("Actions - One Minute Smile", "Blåbär - Två"),
    "test": ("Nobody - Song",),
}
MUSDB_STEMS = ("drums", "bass", "other", "vocals")  # in the order of stem files


def musdb_stems(seed: int) -> dict[str, Audio]:
    """Return 2.5 s of four stems, and their sum."""
    rng = np.random.default_rng(seed)
    time = np.arange(110_250)[:, None] / 44_100
    hertz = rng.uniform(80, 2_000, (4, 2))
    stems = {
        name: (0.15 * np.sin(2 * np.pi * f * time)).astype(np.float32)
        for name, f in zip(MUSDB_STEMS, hertz, strict=True)
    }
    mixture: Audio = np.sum([*stems.values()], axis=0, dtype=np.float32)
    return {"mixture": mixture} | stems


@pytest.fixture(scope="session")
def musdb_hq(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like MUSDB18-HQ, of wav files."""
    root = tmp_path_factory.mktemp("musdb") / "MUSDB18-HQ"
    for subset, names in MUSDB_SONGS.items():
        for seed, name in enumerate(names):
            (root / subset / name).mkdir(parents=True)
            for stem, audio in musdb_stems(seed).items():
                soundfile.write(root / subset / name / f"{stem}.wav", audio, 44_100)
    return root


@pytest.fixture(scope="session")
def musdb18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like MUSDB18, of stem files: AAC streams in one MP4."""
    root = tmp_path_factory.mktemp("musdb") / "MUSDB18"
    for subset, names in MUSDB_SONGS.items():
        (root / subset).mkdir(parents=True)
        for seed, name in enumerate(names):
            write_stem_file(root / subset / f"{name}.stem.mp4", musdb_stems(seed))
    return root


def write_stem_file(path: Path, stems: dict[str, Audio]) -> None:
    """Write sounds as the streams of one file."""
    with av.open(path, "w", format="mp4") as container:
        streams = [container.add_stream("aac", rate=44_100, layout="stereo") for _ in stems]
        for stream, audio in zip(streams, stems.values(), strict=True):
            stream.bit_rate = 256_000
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(audio.T), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts, frame.time_base = 44_100, 0, Fraction(1, 44_100)
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)


@pytest.fixture(scope="session")
def ffmpeg() -> None:
    """A test that needs FFmpeg's programs, as musdb does, is skipped where they are not."""
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        pytest.skip("musdb needs ffmpeg and ffprobe, which are not here")


@pytest.fixture(scope="session")
def cells_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with a filterbank, whose weights are all random."""
    from wavesep import WaveNet

    network = WaveNet(
        filters=4, skip_filters=4, kernel_size=3, stacks=1, layers_per_stack=2, frame_size=256,
        channels=1, filterbank=32, cell_filters=3, activation="linear",
    )  # fmt: skip
    rng = np.random.default_rng(2)
    for layer in network.layers:
        if "analysis" not in layer.name and "synthesis" not in layer.name:
            for variable in layer.weights:
                variable.assign(rng.uniform(0.1, 0.9, variable.shape))
    path = tmp_path_factory.mktemp("models") / "cells.safetensors"
    about = {"sample_rate": 44_100, "sources": ("vocals", "accompaniment")}
    card = {"scores": "good", "limits": "small"}
    ModelFile.from_network(network, **about, card=card).save(path)
    return path


BEAT = 0.5  # seconds
MELODY = (57, 60, 64, 62, 60, 57, 55, 57)  # MIDI notes, one for two beats
CHORDS = ((45, 57, 60, 64), (41, 57, 60, 65), (43, 55, 59, 62), (45, 57, 60, 64))
FORMANTS = ((700, 130), (1_220, 170), (2_600, 250))  # Hz and bandwidth: the vowel of «far»

Samples = NDArray[np.float64]


@pytest.fixture(scope="session")
def synthetic_song() -> tuple[Audio, Audio]:
    """Eight seconds of a voice-like sound, and of chords and a drum, at 44,100 Hz."""
    time = np.arange(round(len(MELODY) * 2 * BEAT * 44_100)) / 44_100
    voice = sing(time)
    chords = sum(saw(time, hertz(notes)) for notes in zip(*CHORDS, strict=True))
    drum = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-30 * (time % BEAT))
    return (
        in_stereo(0.25 * voice / np.abs(voice).max(), 1.0),
        in_stereo(0.3 * chords / np.abs(chords).max(), 0.6) + in_stereo(0.06 * drum, 1.4),
    )


def hertz(notes: tuple[int, ...]) -> list[float]:
    """Return the frequencies of MIDI notes."""
    return [440 * 2 ** ((note - 69) / 12) for note in notes]


def hold(values: list[float], time: Samples) -> Samples:
    """Spread values evenly over the time, each held until the next."""
    return np.repeat(values, -(-len(time) // len(values)))[: len(time)]


def sing(time: Samples) -> Samples:
    """Sum the harmonics of a melody with vibrato, each as loud as the vowel's formants make it."""
    pitch = hold(hertz(MELODY), time) * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * time))
    phase = 2 * np.pi * np.cumsum(pitch) * (time[1] - time[0])
    voice = np.zeros_like(time)
    for harmonic in range(1, 20):
        frequency = harmonic * pitch
        loudness = sum(1 / (1 + ((frequency - f) / width) ** 2) for f, width in FORMANTS)
        voice += loudness * np.sin(harmonic * phase)
    breath = np.minimum(1, 12 * (time % (2 * BEAT))) * np.minimum(1, 8 * (-time % (2 * BEAT)))
    return voice * breath


def saw(time: Samples, frequencies: list[float]) -> Samples:
    """Sum the first harmonics of a saw whose pitch changes from chord to chord."""
    phase = 2 * np.pi * np.cumsum(hold(frequencies, time)) * (time[1] - time[0])
    return np.sum([np.sin(k * phase) / k for k in range(1, 12)], axis=0)


def in_stereo(mono: Samples, left_gain: float) -> Audio:
    """Place a sound: 1 is the middle, less lies to the right and more to the left."""
    return np.stack([left_gain * mono, (2 - left_gain) * mono], axis=1).astype(np.float32)
