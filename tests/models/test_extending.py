"""A new network from one file: the page that shows how, run as it stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

from wavesep import Separator
from wavesep.audio import Audio
from wavesep.engines.keras_network import KerasEngine
from wavesep.models.files import read_model_file
from wavesep.models.kinds import KINDS
from wavesep.systems.tree import leaves

PAGE = (Path(__file__).parents[2] / "examples" / "extending.md").read_text(encoding="utf-8")
FILE, USE = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
RATE = 44_100


@pytest.fixture(scope="module")
def wave_unet() -> Iterator[Any]:
    """The page's file, imported."""
    module = ModuleType("wave_unet")
    sys.modules["wave_unet"] = module  # a dataclass looks for its module
    exec(compile(FILE, "wave_unet.py", "exec"), module.__dict__)
    yield module
    del sys.modules["wave_unet"], KINDS["wave_unet"]


@pytest.fixture(scope="module")
def model(
    wave_unet: Any,
    no_board: None,
    tmp_path_factory: pytest.TempPathFactory,
    synthetic_song: tuple[Audio, Audio],
) -> Iterator[Path]:
    """The model that the page trains, in the folder that its code ran in."""
    folder = tmp_path_factory.mktemp("extending")
    for stem, audio in zip(("vocals", "accompaniment"), synthetic_song, strict=True):
        (folder / "songs" / stem).mkdir(parents=True)
        soundfile.write(folder / "songs" / stem / "song.wav", audio[: 2 * RATE], RATE)
    mixture = (synthetic_song[0] + synthetic_song[1])[: 2 * RATE]
    soundfile.write(folder / "song.wav", mixture, RATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # the pictures of an evaluation take longer than the rest
        patch.setattr("wavesep.evaluation.run.draw_spectrograms", lambda *_: None)
        patch.setattr("wavesep.evaluation.report.draw_boxes", lambda *_: None)
        exec(compile(USE, "use.py", "exec"), {"__name__": "__main__"})
        yield folder / "runs" / "unet" / "best.safetensors"


def test_it_is_trained_saved_separates_and_is_evaluated(model: Path) -> None:
    file, folder = read_model_file(model), model.parents[2]

    assert file.kind == "wave_unet"
    assert file.parameters == file.build().count_params()
    assert soundfile.info(folder / "separated" / "song" / "vocals.wav").frames == 2 * RATE
    assert len((folder / "runs" / "unet" / "log.jsonl").read_text().splitlines()) >= 3
    assert (folder / "evaluation" / "scores").is_dir()


def test_chunks_streams_and_combinations_are_exact(
    model: Path, synthetic_song: tuple[Audio, Audio]
) -> None:
    mixture = (synthetic_song[0] + synthetic_song[1])[: RATE + 1]
    whole = Separator(model, chunk_seconds=60.0)
    assert isinstance(leaves(whole._systems)[0].engine, KerasEngine)  # OpenVINO has no graph of it
    expected = whole.separate(mixture, RATE)["vocals"]

    for name in (model, f"{model}:wiener", f"{model}:speeds+centre"):
        together = Separator(name, chunk_seconds=60.0).separate(mixture, RATE)["vocals"]
        cut = Separator(name, chunk_seconds=0.1)
        np.testing.assert_allclose(cut.separate(mixture, RATE)["vocals"], together, atol=1e-5)
    stream = whole.stream(RATE)
    blocks = [stream.push(mixture[i : i + 3_001]) for i in range(0, len(mixture), 3_001)]
    streamed = np.concatenate([part["vocals"] for part in (*blocks, stream.flush())])
    np.testing.assert_allclose(streamed, expected, atol=1e-5)
    assert np.abs(expected).max() > 1e-3


def test_an_estimate_depends_on_its_context_and_no_more(wave_unet: Any) -> None:
    architecture = wave_unet.WaveUNet(filters=3)
    network = architecture.network()
    rng = np.random.default_rng(0)
    for variable in network.weights:
        variable.assign(rng.uniform(0.01, 0.1, variable.shape))  # no unit is cut off by a ReLU
    (left, right), size = architecture.context, architecture.frame_size
    sound = rng.uniform(0, 1, (1, 4 * (left + right) // size * size, 1)).astype(np.float32)
    before = np.asarray(network(sound))  # tracing a graph takes longer
    place = sound.shape[1] // 2
    sound[0, place] += 1
    (moved,) = np.nonzero((np.asarray(network(sound)) != before)[0, :, 0])
    # output sample t stands at input sample t + left
    assert place - right <= moved.min() + left
    assert moved.max() + left <= place + left


def test_it_checks_itself(wave_unet: Any) -> None:
    with pytest.raises(ValueError, match="taps must be odd"):
        wave_unet.WaveUNet(taps=4)
    with pytest.raises(ValueError, match="levels must be 1 or more"):
        wave_unet.WaveUNet(levels=0)
