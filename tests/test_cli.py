"""The command line, run as a person runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavesep import __version__, list_models
from wavesep.cli import main
from wavesep.models.files import read_model_file


def wavesep(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "wavesep", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd,
    )  # fmt: skip


def test_several_songs_the_good_are_done_and_the_bad_are_listed(
    song: Path, tiny_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    other = tmp_path / "other.flac"
    soundfile.write(other, np.full((9_000, 1), 0.1), 22_050)
    songs = [song, tmp_path / "text.wav", tmp_path / "missing.mp3", other]

    code = main(
        ["separate", *map(str, songs), "--model", str(tiny_file), "-o", str(tmp_path), "-j", "2"]
    )

    out, err = capfd.readouterr()
    assert code == 1
    assert len(out.splitlines()) == 2
    assert "text.wav holds no sound" in err
    assert "no file" in err
    for name, frames in (("song", 88_201), ("other", 9_000)):
        for stem in ("vocals", "accompaniment"):
            assert soundfile.info(tmp_path / name / f"{stem}.wav").frames == frames
    assert not (tmp_path / "text").exists()


def test_all_good_is_zero(song: Path, tiny_file: Path, tmp_path: Path) -> None:
    options = ["--flac", "--int24", "--start", "0.5", "--duration", "1", "--two-stems", "vocals"]
    command = ["separate", str(song), "--model", str(tiny_file), "-o", str(tmp_path / "o")]

    assert main([*command, *options]) == 0

    info = soundfile.info(tmp_path / "o" / "song" / "vocals.flac")
    assert (info.frames, info.subtype) == (44_100, "PCM_24")


def test_songs_of_one_name_do_not_overwrite_each_other(
    song: Path, tiny_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    twin = tmp_path / "twin" / "song.wav"
    twin.parent.mkdir()
    twin.write_bytes(song.read_bytes())
    out = tmp_path / "o"
    songs = [song, twin, twin.parent / ".." / "song.wav"]

    code = main(["separate", *map(str, songs), "--model", str(tiny_file), "-o", str(out)])

    assert code == 1

    answer = capfd.readouterr()
    complaints = [line for line in answer.err.splitlines() if line.startswith("wavesep:")]
    assert complaints == [
        f"wavesep: {twin}: its stems would replace those of {song}: use another -o DIR"
    ]
    assert len(answer.out.splitlines()) == 1
    assert sorted(path.name for path in (out / "song").iterdir()) == [
        "accompaniment.wav", "vocals.wav",
    ]  # fmt: skip


def test_paths_are_compared_not_names(
    song: Path, tiny_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "song.flac"
    soundfile.write(other, np.full((9_000, 1), 0.1), 22_050)
    options = ["--model", str(tiny_file), "-o", str(tmp_path / "o"), "--overwrite", "--filename"]
    songs = ["separate", str(song), str(other)]

    assert main([*songs, *options, "{track}/{stem}.wav"]) == 1
    assert f"{other}: its stems would replace those of {song}" in capfd.readouterr().err
    other = other.rename(tmp_path / "other.flac")
    assert main([*songs[:2], str(other), *options, "{stem}.wav"]) == 1
    assert f"{other}: its stems would replace those of {song}" in capfd.readouterr().err
    assert main([*songs[:2], str(other), *options, "{track} {stem}"]) == 0
    assert len(list((tmp_path / "o").iterdir())) == 7


def test_a_song_is_never_replaced_by_a_stem(
    song: Path, tiny_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ("vocals.wav", "vocals.part.wav", "accompaniment.wav.part", "other.wav")
    songs = [song.rename(tmp_path / names[0]), *(tmp_path / name for name in names[1:])]
    content = songs[0].read_bytes()
    for copy in songs[1:]:
        copy.write_bytes(content)
    command = ["separate", "--model", str(tiny_file), "-o", str(tmp_path), "--overwrite"]
    command += ["--filename", "{stem}.{ext}"]

    assert main([*command, str(songs[0])]) == 1
    assert main([*command, str(songs[3]), str(songs[0])]) == 1
    assert "replace the song" in capfd.readouterr().err
    assert [song.read_bytes() for song in songs] == [content] * 4
    assert len(list(tmp_path.iterdir())) == 4
    songs[0].unlink()
    for one in songs[1:]:
        assert main([*command, str(one)]) == 0
        assert [song.read_bytes() for song in songs[1:]] == [content] * 3
        assert len(list(tmp_path.iterdir())) == 5


def test_a_song_whose_stems_exist_is_not_done_again_unasked(
    song: Path, tiny_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["separate", str(song), "--model", str(tiny_file), "-o", str(tmp_path)]

    assert main(command) == 0
    assert main(command) == 1
    assert "exists" in capfd.readouterr().err
    assert main([*command, "--overwrite"]) == 0


def test_to_separate_loads_neither_tensorflow_nor_keras(song: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from wavesep.cli import main; code = main(sys.argv[1:])\n"
        "print(code, *{'tensorflow', 'keras', 'torch', 'jax'} & sys.modules.keys())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, "separate", str(song), "-o", str(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.splitlines()[-1] == "0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["separate"], "give at least one song, or --demo"),
        (["separate", "x.wav", "--model", "vocalz"], "no model 'vocalz'"),
        (["separate", "x.wav", "--demo"], "songs or --demo, not both"),
        (["separate", "x.wav", "-j", "0"], "-j must be 1 or more"),
        (["separate", "x.wav", "--device", "gpu:9"], "no device 'gpu:9'"),
        (["separate", "x.wav", "--engine", "fast"], "no engine 'fast': choose one of auto"),
        (["separate", "x.wav", "--precision", "int8"], "no precision 'int8': choose one of auto"),
        (["info", "vocalz"], "no model 'vocalz'"),
    ],
)
def test_a_wrong_option_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # set for all tests; where it is, what TensorFlow writes while it loads is not held back
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    monkeypatch.chdir(tmp_path)
    soundfile.write("x.wav", np.zeros((900, 2)), 44_100)
    assert main(arguments) == 1

    errors = capfd.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith("wavesep: ")
    assert message in errors[0]


def test_demo_is_a_song_that_comes_with_wavesep(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["separate", "--demo", "--model", "centre", "-o", str(tmp_path)]
    for _ in range(2):  # a second time, too
        assert main(command) == 0

    assert "Software-Entwicklungskit, CC0" in capfd.readouterr().out
    mixture, sample_rate = soundfile.read(tmp_path / "demo.ogg")
    assert mixture.shape == (10 * sample_rate, 2)
    assert 0.1 < np.abs(mixture).max() < 1
    stems = [soundfile.read(tmp_path / "demo" / f"{s}.wav")[0] for s in ("vocals", "accompaniment")]
    assert stems[0].shape == mixture.shape
    np.testing.assert_allclose(sum(stems), mixture, atol=1e-4)


def test_info_says_what_a_model_is(tiny_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tiny_file)]) == 0

    out = capfd.readouterr().out
    for fact in (
        r"sources +vocals, accompaniment", r"sample rate +44,100 Hz", r"licence +not stated",
        r"left context +60 samples, 1\.4 ms", r"right context +60 samples, 1\.4 ms",
        r"receptive field +124 samples, 2\.8 ms", r"parameters +632",
    ):  # fmt: skip
        assert re.search(fact, out), fact


def test_info_says_what_stands_in_one_name(
    tiny_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", f"{tiny_file}:speeds+centre:wiener"]) == 0

    out = capfd.readouterr().out
    assert re.findall(r"kind +(\w+)", out) == ["wavenet", "centre"]
    assert re.findall(r"speeds +1.0, 0.89, 1.12", out)
    assert re.findall(r"sample rate +(\S+) Hz", out)[0] == "44,100"


def test_info_lists_all_systems(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--all"]) == 0

    out = capfd.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert lines.keys() >= list_models().keys()
    assert "22,050 Hz mono, 513 bins x 25" in lines["mask_cnn"]
    assert lines["vocals"].split()[-1] == lines["harmonic"].split()[-1] == "yes"
    assert lines["unet_stereo"].split()[-1] == "no"


def test_a_rule_a_mean_and_a_filter_separate(song: Path, tmp_path: Path) -> None:
    for i, model in enumerate(("centre", "centre+phase_cancellation", "centre:wiener")):
        out = str(tmp_path / str(i))
        assert main(["separate", str(song), "--model", model, "-o", out]) == 0
        stems = [
            soundfile.read(Path(out) / "song" / f"{stem}.wav", dtype="int16")[0].astype(int)
            for stem in ("vocals", "accompaniment")
        ]
        mixture = soundfile.read(song, dtype="int16")[0]
        np.testing.assert_array_equal(stems[0] + stems[1], mixture)


def test_info_shows_the_shipped_model_s_data_card(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0

    out = capfd.readouterr().out
    for word in ("MIR-1K", "CC0", "Deezer", "limits"):
        assert word in out


def test_nothing_in_a_file_rules_the_terminal(
    tiny_file: Path, tmp_path: Path, noise: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;pwned\x07\x1b[31m[red]a[/red][/][bold :heart:"
    card = {evil: [evil, {"b": evil}], "[red]": "[1,2]"}
    model = replace(read_model_file(tiny_file), licence=evil, card=card)
    model.save(tmp_path / f"{evil.replace('/', '')}.safetensors")
    songs = [tmp_path / f"{evil.replace('/', '')} {i}.wav" for i in range(2)]
    soundfile.write(songs[0], 20 * noise, 44_100)
    songs[1].write_text("no sound")
    names = [str(path) for path in tmp_path.glob("*.safetensors")]

    assert main(["info", *names]) == 0
    assert main(["separate", *map(str, songs), "--model", *names, "-o", str(tmp_path / "o")]) == 1
    assert main(["info", evil]) == 1

    answer = capfd.readouterr()
    for text in (answer.out, answer.err):
        assert not {"\x1b", "\x07", "\x9b"} & {*text}
        assert "\\x1b[31m[red]a" in text
    assert "[/red][/][bold :heart:" in " ".join(answer.out.split())
    assert "turned down" in answer.err


def test_help_and_version(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["separate", "--help"], ["info", "--help"]):
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
        assert capfd.readouterr().out
    assert wavesep("--version", cwd=tmp_path).stdout == f"wavesep {__version__}\n"
    with pytest.raises(SystemExit, match="2"):
        main(["separate", "x.wav", "--flac", "--mp3"])


def write_noise(path: Path, minutes: int) -> None:
    """Write a song that takes longer to separate than to interrupt."""
    block = np.random.default_rng(0).integers(-3_000, 3_000, (60 * 44_100, 2), np.int16)
    with soundfile.SoundFile(path, "w", 44_100, 2, "PCM_16") as file:
        for _ in range(minutes):
            file.write(block)


def wait_for_growth(out: Path) -> None:
    """Wait until a stem has grown to a megabyte."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        sizes = [path.stat().st_size for path in out.glob(".wavesep-unfinished-*/vocals.wav")]
        if sizes and max(sizes) > 1_000_000:
            return
        time.sleep(0.02)
    raise AssertionError("no stem grows")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("name", "times"),
    [("SIGINT", 4), ("SIGTERM", 1), pytest.param("SIGHUP", 2, marks=pytest.mark.slow)],
)
def test_an_interruption_leaves_nothing(
    tiny_file: Path, tmp_path: Path, name: str, times: int
) -> None:
    how = getattr(signal, name)
    song = tmp_path / "long.wav"
    write_noise(song, minutes=8)
    out = tmp_path / "out"
    # what runs the tests may ignore Ctrl-C, as a shell's background does, and we would inherit it
    run = (
        f"import signal; signal.signal({how}, signal.SIG_DFL)\n"
        "from wavesep.__main__ import run; run()"
    )
    command = ["-c", run, "separate", str(song), "--model", str(tiny_file), "-o", str(out)]
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    wait_for_growth(out)

    for _ in range(times):
        os.kill(process.pid, how)
        time.sleep(0.1)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 128 + how
    assert err.splitlines()[-1].startswith("wavesep: interrupted")
    assert "Traceback" not in err
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [False, True])
def test_thirty_kills_leave_all_stems_of_a_song_or_none(
    tiny_file: Path, tmp_path: Path, overwrite: bool
) -> None:
    rng = np.random.default_rng(3)
    songs = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for song in songs:
        soundfile.write(song, rng.uniform(-0.1, 0.1, (5 * 44_100, 2)), 44_100)
    stems = ["accompaniment.wav", "vocals.wav"]
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    foreign = ["a/accompaniment.wav.part", "a/vocals.part.wav", "b.txt"]
    for name in foreign:
        (out / name).write_text("theirs")
    command = [sys.executable, "-m", "wavesep", "separate", *map(str, songs), "-o", str(out), "-j"]
    command += ["2", "--model", str(tiny_file), *["--overwrite"][:overwrite]]
    begin = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    spent = time.monotonic() - begin

    def found() -> list[str]:
        return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())

    whole = sorted([*foreign, *(f"{song.stem}/{stem}" for song in songs for stem in stems)])
    assert found() == whole
    for _ in range(15):  # and as many for the other case
        if not overwrite:
            for song in songs:
                for stem in stems:
                    (out / song.stem / stem).unlink(missing_ok=True)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            time.sleep(rng.uniform(0.4, 1.0) * spent)
            run.kill()
        subprocess.run(command, check=False, capture_output=True)
        assert found() == whole
        for song in songs:
            heard = [soundfile.read(out / song.stem / s, dtype="int16")[0] for s in stems]
            mixture = soundfile.read(song, dtype="int16")[0]
            assert all(stem.shape == mixture.shape for stem in heard)
    assert all((out / name).read_text() == "theirs" for name in foreign)


def test_what_a_killed_run_leaves_goes_with_the_next(
    song: Path, tiny_file: Path, tmp_path: Path
) -> None:
    long = tmp_path / "long.wav"
    write_noise(long, minutes=8)
    out = tmp_path / "out"
    command = ["separate", str(long), "--model", str(tiny_file), "-o", str(out)]
    with subprocess.Popen([sys.executable, "-m", "wavesep", *command]) as run:
        wait_for_growth(out)
        assert main(["separate", str(song), "--model", str(tiny_file), "-o", str(out)]) == 0
        growing = list(out.glob(".wavesep-unfinished-*/vocals.wav"))
        assert len(growing) == 1  # two runs at once leave each other alone
        run.kill()
    assert growing[0].exists()

    assert main(["separate", str(song), "--overwrite", *command[2:]]) == 0

    assert [path.name for path in out.iterdir()] == ["song"]
