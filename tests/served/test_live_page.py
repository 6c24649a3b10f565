"""The page that separates live sound, in a real browser with a microphone that plays a file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import PATIENCE, Server, song, within

playwright = pytest.importorskip("playwright.sync_api")
playwright.expect.set_options(timeout=PATIENCE)
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
SWITCHES = [
    "--no-sandbox", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
HEARD = re.compile(r"You hear it (\d\.\d) s later")


@pytest.fixture(scope="module")
def context(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser in which the user is logged in."""
    sound = tmp_path_factory.mktemp("sound") / "song.wav"
    sound.write_bytes(song(10.0))
    switches = [*SWITCHES, f"--use-file-for-fake-audio-capture={sound}"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=switches)
        context = chromium.new_context()
        context.new_page().goto(server.link)
        yield context
        chromium.close()


@pytest.fixture
def page(server: Server, context: Any) -> Iterator[Any]:
    """The page; it fails if a script fails or the policy of the server forbids something."""
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(f"{server.site}/live")
    yield page
    page.close()
    assert faults == []


def level_of(page: Any, name: str) -> int:
    """Return what a meter shows, in dB."""
    return int(page.get_by_role("meter", name=name).get_attribute("aria-valuenow"))


def test_a_microphone_is_separated_while_it_is_heard(
    server: Server, context: Any, page: Any
) -> None:
    page.get_by_text("Microphone", exact=True).click()
    state = page.locator("#live-state")
    playwright.expect(state).to_have_text(HEARD)
    found = HEARD.search(state.inner_text())
    assert found
    assert 1.5 < float(found[1]) < 4
    within(30, lambda: level_of(page, "Input") > -30 and level_of(page, "Accompaniment") > -30)

    other = context.new_page()
    other.goto(f"{server.site}/live")
    other.get_by_text("Microphone", exact=True).click()
    playwright.expect(other.locator("#live-state")).to_have_text(re.compile("other live sound"))
    playwright.expect(other.locator("#stop")).to_be_hidden()
    other.close()

    page.keyboard.press("Space")  # "Stop" has the focus
    playwright.expect(state).to_have_text("Stopped.")
    assert level_of(page, "Accompaniment") == -60
    page.get_by_text("Microphone", exact=True).click()
    playwright.expect(state).to_have_text(HEARD)


def test_the_keyboard_chooses_what_is_heard(page: Any) -> None:
    page.get_by_role("radio", name="Original").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Vocals").is_checked()
    silent = [lane.get_attribute("data-source") for lane in page.locator(".lane.silent").all()]
    assert silent == ["accompaniment"]
    page.get_by_role("slider", name="Level of vocals").focus()
    page.keyboard.press("Home")
    assert page.locator(".lane output").first.inner_text() == "off"


NOT_ALLOWED = """navigator.mediaDevices.getUserMedia =
  () => Promise.reject(new DOMException("", "NotAllowedError"))"""
NO_HTTPS = "Object.defineProperty(window, 'isSecureContext', { value: false })"


def test_it_says_why_it_may_not_hear_anything(page: Any) -> None:
    page.add_init_script(NOT_ALLOWED)
    page.reload()
    page.get_by_text("Microphone", exact=True).click()
    state = page.locator("#live-state")
    playwright.expect(state).to_have_text(re.compile("did not allow it"))
    playwright.expect(page.get_by_text("Microphone", exact=True)).to_be_enabled()

    page.add_init_script(NO_HTTPS)
    page.reload()
    playwright.expect(state).to_have_text(re.compile("only over https, or at localhost"))
    playwright.expect(page.get_by_text("Microphone", exact=True)).to_be_disabled()
    playwright.expect(page.get_by_text("Browser tab", exact=True)).to_be_disabled()


def test_axe_finds_nothing_and_nothing_is_cut_off(server: Server, context: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    state = context.storage_state()
    other = context.browser.new_context(storage_state=state, bypass_csp=True)
    page = other.new_page()
    for scheme, width in (("light", 320), ("dark", 1280)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{server.site}/live")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    other.close()
