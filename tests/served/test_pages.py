"""The pages in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import base64
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile

from wavesep import Separator

from .conftest import PATIENCE, RATE, Server, song, within

playwright = pytest.importorskip("playwright.sync_api")
playwright.expect.set_options(timeout=PATIENCE)
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
READY = re.compile("ready")
SWITCHES = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
DROP = """([names, contents]) => {
  const transfer = new DataTransfer();
  names.forEach((name, n) => transfer.items.add(
    new File([Uint8Array.from(atob(contents[n]), (c) => c.charCodeAt(0))], name)));
  for (const kind of ["dragover", "drop"])
    document.getElementById("drop").dispatchEvent(
      new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def server(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that separates at once, if no other model is chosen."""
    data = tmp_path_factory.mktemp("served")
    server = Server(data, "--model", tiny_file.name, cwd=tiny_file.parent)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def session(server: Server, browser: Any) -> Any:
    """The cookies of the user who has opened the link; another opening of it lets nobody in."""
    context = browser.new_context()
    context.new_page().goto(server.link)
    state = context.storage_state()
    context.close()
    other = browser.new_page()
    assert other.goto(server.link).status == 410
    other.close()
    return state


@pytest.fixture
def page(server: Server, browser: Any, session: Any) -> Iterator[Any]:
    """A page of the user; it fails if a script fails or anything of another host is wanted."""
    context = browser.new_context(storage_state=session)
    page, faults = watched(context, server), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(server.site)
    yield page
    context.close()
    assert (faults, page.foreign) == ([], [])


def watched(context: Any, server: Server) -> Any:
    """Return a page that lists the addresses of other hosts that it wants."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.foreign = []

    def ask(route: Any) -> None:
        if urlsplit(route.request.url).netloc != urlsplit(server.site).netloc:
            page.foreign.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    context.route("http*://**", ask)
    return page


def choose(page: Any, name: str, content: bytes) -> Any:
    """Upload a song; return its row."""
    page.set_input_files("#files", {"name": name, "mimeType": "audio/wav", "buffer": content})
    return page.locator("li.song", has_text=name)


def press_tab_until(page: Any, condition: str) -> None:
    """Move the focus until a condition holds in the page."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(condition):
            return
    raise AssertionError(f"the focus does not come to {condition}")


def test_three_songs_are_dropped_played_and_downloaded(page: Any) -> None:
    names = ["first.wav", "second.wav", "third.wav"]
    contents = [base64.b64encode(song(2.0, seed)).decode() for seed in range(3)]
    page.evaluate(DROP, [names, contents])
    for name in names:
        row = page.locator("li.song", has_text=name)
        playwright.expect(row.locator(".state")).to_have_text(READY)
    with page.expect_download() as download:
        page.locator("li.song", has_text="second.wav").get_by_text("Download").click()
    archive = zipfile.ZipFile(download.value.path())
    assert sorted(Path(name).stem.rpartition(" ")[2] for name in archive.namelist()) == [
        "accompaniment", "vocals",
    ]  # fmt: skip
    page.locator("li.song", has_text="third.wav").get_by_text("Play").click()
    page.get_by_label("Only vocals").click()
    assert page.get_by_label("Only vocals").get_attribute("aria-pressed") == "true"
    page.get_by_label("Play", exact=True).click()
    within(90, lambda: page.locator("#clock").inner_text() == "0:02 / 0:02")


def test_a_song_plays_while_it_is_separated(page: Any) -> None:
    page.select_option("#drop select[name=model]", "wavenet")  # it takes seconds
    row = choose(page, "long.wav", song(40.0))
    row.get_by_role("link", name="long.wav").click()
    page.get_by_label("Play", exact=True).click()
    within(90, lambda: page.locator("#seek").input_value() > "0.5")
    assert not READY.search(page.locator("#state").inner_text())
    playwright.expect(page.locator("#state")).to_have_text(READY)
    playwright.expect(page.locator("#downloads")).to_be_visible()


def test_what_is_heard_is_the_stems(page: Any, tiny_file: Path, tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(song(3.0, 5))
    row = choose(page, "exact.wav", (tmp_path / "song.wav").read_bytes())
    row.get_by_text("Play", exact=True).click()
    page.locator("#player").wait_for()
    heard = page.evaluate(
        """async () => {
          const { Player } = await import("/static/wavesep/player.js");
          const { job, rate, samples } = document.getElementById("player").dataset;
          const context = new OfflineAudioContext(2, samples, rate);
          const sources = ["vocals", "accompaniment"];
          const song = { sources, rate: +rate, channels: 2, samples: +samples };
          const load = async (source, at, count) => new Int16Array(await (await fetch(
            `/api/v1/jobs/${job}/pcm/${source}?at=${at}&count=${count}`)).arrayBuffer());
          const player = new Player(context, song, load);
          player.setGain("accompaniment", 0.5);
          player.play();
          while (player.next.at < song.samples) {
            await player.fill(60);
            await new Promise((go) => setTimeout(go, 10));
          }
          clearInterval(player.timer);
          const begin = player.pieces[0].frame;
          const sound = await context.startRendering();
          return [begin, [...sound.getChannelData(0)], [...sound.getChannelData(1)]];
        }"""
    )
    begin, sound = heard[0], np.array(heard[1:]).T
    separator = Separator(tiny_file)
    stems = separator.separate_to_file(tmp_path / "song.wav", tmp_path / "out", codec="wav")
    vocals, accompaniment = (soundfile.read(stems[name])[0] for name in stems)
    expected = (vocals + 0.5 * accompaniment)[: len(sound) - begin]
    assert not sound[:begin].any()
    assert np.abs(sound[begin:] - expected).max() < 2.5 / 32_768  # both are rounded to 16 bits


def test_a_wrong_file_is_refused_with_a_reason(page: Any) -> None:
    row = choose(page, "notes.txt", b"no sound")
    playwright.expect(row.locator(".state")).to_have_text(re.compile("not uploaded: notes.txt"))
    row.get_by_text("Remove").click()
    playwright.expect(row).to_have_count(0)


def test_a_name_is_text_wherever_it_is_shown(page: Any) -> None:
    dialogs: list[Any] = []

    def dismiss(dialog: Any) -> None:
        dialogs.append(dialog)
        dialog.dismiss()

    page.on("dialog", dismiss)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    name = "<img src=x onerror=alert(1)>\"'&amp;.wav"
    choose(page, name, song(0.5))
    row = page.locator("li.song").first
    playwright.expect(row.locator(".state")).to_have_text(READY)
    assert row.locator(".title").inner_text() == name
    page.reload()
    page.locator("li.song").first.get_by_text("Play", exact=True).click()
    assert page.locator("h1").inner_text() == name
    assert (dialogs, [text for text in said if "Content Security" in text]) == ([], [])


def test_the_keyboard_alone_is_enough(page: Any) -> None:
    page.on("filechooser", lambda _: None)  # caught from now on: a key may overtake the request
    choose(page, "keys.wav", song(8.0))
    page.locator("li.song", has_text="keys.wav").get_by_text("Play", exact=True).wait_for()
    press_tab_until(page, "document.activeElement.id == 'files'")
    with page.expect_file_chooser():
        page.keyboard.press("Space")
    press_tab_until(page, "document.activeElement.textContent == 'keys.wav'")
    page.keyboard.press("Enter")
    page.locator("#player").wait_for()
    page.keyboard.press("v")
    assert page.get_by_label("Only vocals").get_attribute("aria-pressed") == "true"
    page.keyboard.press("b")
    page.keyboard.press("l")
    page.keyboard.press("ArrowRight")
    assert page.locator("#clock").inner_text() == "0:05 / 0:08"
    page.keyboard.press("l")
    assert page.locator("#loop").inner_text() == "Looping"
    page.keyboard.press("Space")
    within(30, lambda: float(page.locator("#seek").input_value()) > 0.2)
    page.keyboard.press("Space")
    page.uncheck("#keys")
    page.keyboard.press("m")
    assert page.locator("#silence").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (320, "dark"),
        pytest.param(1280, "light", marks=pytest.mark.slow),
        pytest.param(320, "light", marks=pytest.mark.slow),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_and_nothing_is_cut_off(
    server: Server, browser: Any, session: Any, page: Any, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    choose(page, "a_long_name_without_any_space_in_it_that_must_break_somewhere.wav", song(1.0))
    page.locator("li.song").first.get_by_text("Play", exact=True).wait_for()
    address = page.locator("li.song a.title").first.get_attribute("href")
    context = browser.new_context(
        storage_state=session, color_scheme=scheme, viewport={"width": width, "height": 800},
        bypass_csp=True,
    )  # fmt: skip
    shown = context.new_page()
    for path in ("/", address, "/account", "/nowhere"):
        shown.goto(server.site + path)
        assert shown.evaluate("document.documentElement.scrollWidth") == width
        found = Axe().run(shown)
        assert found.violations_count == 0, found.generate_report()
    context.close()


def test_it_works_without_javascript(server: Server, browser: Any, session: Any) -> None:
    context = browser.new_context(storage_state=session, java_script_enabled=False)
    page = watched(context, server)
    page.goto(server.site)
    choose(page, "plain.wav", song(1.0))
    row = page.locator("li.song", has_text="plain.wav")
    page.get_by_text("Upload", exact=True).click()
    row.wait_for()  # the new page is there

    def is_ready() -> bool:
        page.reload()
        return "ready" in row.locator(".state").inner_text()

    within(PATIENCE / 1000, is_ready)
    row.get_by_text("plain.wav").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Vocals, flac", exact=True).click()
    assert soundfile.info(download.value.path()).frames == RATE
    assert page.foreign == []
    context.close()


def test_another_user_sees_nothing_of_it(server: Server, browser: Any, page: Any) -> None:
    choose(page, "mine.wav", song(1.0))
    page.locator("li.song").first.get_by_text("Play", exact=True).click()
    address = page.url
    page.goto(f"{server.site}/account")
    page.get_by_text("Make a link").click()
    link = page.locator("code").inner_text()
    context = browser.new_context()
    other = context.new_page()
    other.goto(link)
    other.get_by_label("Username").fill("grace")
    other.get_by_label("Password:").fill("a long enough one 1")
    other.get_by_label("Password confirmation").fill("a long enough one 1")
    other.get_by_text("Make the account", exact=True).click()
    playwright.expect(other.locator("#none")).to_be_visible()
    assert other.goto(address).status == 404
    assert other.goto(f"{server.site}/admin/").url.endswith("/admin/login/?next=/admin/")
    context.close()
