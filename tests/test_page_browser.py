"""The page in a real browser: it opens from the disk without a request, plays, and answers mouse and keys."""

import time

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from test_page import composer_of, ids_of

from experiment import page
from experiment.listening import Finding
from experiment.page.reading import PageTune
from midi_io import Note, encode

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium runs these tests")

NOTES = [Note(60 + k % 12, k / 2, 0.5, 80, (0, 40)[k % 2]) for k in range(64)] + [Note(36, 0, 1, drum=True)]
NASTY = "</script><img src=x onerror=alert(1)>"
LISTEN = """
window.started = 0;  // sources of sound
window.loudness = () => 0;  // of what reaches the loudspeakers
const start = AudioScheduledSourceNode.prototype.start;
AudioScheduledSourceNode.prototype.start = function (...when) { window.started++; return start.apply(this, when); };
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...more) {
  if (target instanceof AudioDestinationNode) {
    const ear = new AnalyserNode(this.context), samples = new Float32Array(ear.fftSize);
    connect.call(this, ear);
    window.loudness = () => { ear.getFloatTimeDomainData(samples); return Math.max(...samples.map(Math.abs)); };
  }
  return connect.call(this, target, ...more);
};
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page of two tunes, a unit that follows something, and a change."""
    tokens = encode(NOTES, "note")
    composer = composer_of(tokens, kind="both")
    ids = ids_of(composer, tokens)
    path = tmp_path_factory.mktemp("page") / "index.html"
    other = np.concatenate([ids[:20], [1]])
    tunes = [PageTune(NASTY, "Tunes", ids), PageTune("short", "Tunes", other), PageTune("changed", "What if", ids)]
    found = [Finding("on the beat", "c", 5, 0.6, 0.5, 0.1, 0.2)]
    changed = [{"words": NASTY, "before": 0, "after": 2, "nats_before": 1.25, "nats_after": 1.5}]
    page.write_page(path, NASTY, composer, tunes, found, changes=changed)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium = Browser(tmp_path_factory.mktemp("profile"))
    chromium.call("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
    yield chromium
    chromium.close()


@pytest.fixture
def opened(browser, written):
    """The browser with the page just opened, 1,000 pixels wide."""
    browser.size(1000)
    browser.requests.clear()
    browser.faults.clear()
    browser.open(written)
    browser.wait("document.querySelector('#voices input') !== null")
    yield browser
    assert browser.faults == []


def head(browser):
    return float(browser.ask("document.querySelector('#seek').value"))


def text(browser, selector):
    return browser.ask(f"document.querySelector('{selector}').textContent")


def test_it_opens_from_the_disk_and_asks_for_nothing_else(opened, written):
    time.sleep(0.3)
    opened.ask("0")
    assert opened.requests == [written.as_uri()]
    assert text(opened, "h1") == NASTY
    assert opened.ask("document.images.length") == 0


def test_it_plays_and_pauses(opened):
    assert opened.ask("window.started") == 0  # no sound before a click
    opened.click("#play")
    opened.wait("document.querySelector('#seek').value > 0.5")
    assert opened.ask("window.started") > 3
    opened.click("#play")
    opened.wait("document.querySelector('#play').textContent === 'Play'")
    stands = head(opened)
    time.sleep(0.2)
    assert head(opened) == stands


def test_it_goes_on_from_where_one_seeks_and_ends_at_the_end(opened):
    opened.ask("const seek = document.querySelector('#seek'); seek.value = 31; seek.dispatchEvent(new Event('input'))")
    opened.click("#play")
    opened.wait("document.querySelector('#seek').value > 31.2")
    assert opened.ask("window.started") < 20  # the notes before are not heard
    opened.wait("document.querySelector('#play').textContent === 'Play'")
    assert head(opened) == 32


def test_voices_can_be_muted(opened):
    assert opened.ask("document.querySelectorAll('#voices input').length") == 3
    opened.click("#play")
    opened.wait("window.loudness() > 0.01")
    for voice in (1, 2, 3):
        opened.click(f"#voices > :nth-child({voice}) input")
    opened.wait("window.loudness() < 0.0001")
    assert text(opened, "#play") == "Pause"
    opened.click("#voices > :nth-child(1) input")
    opened.wait("window.loudness() > 0.01")


def test_a_click_on_a_note_shows_its_gradient(opened):
    width = opened.ask("document.querySelector('#roll').clientWidth")
    x = 10.25 * min(max(width / 20, 24), 44)  # the note of beat 10, somewhere between top and bottom
    for y in range(20, 240, 8):
        opened.click("#roll", x=x, y=y)
        if text(opened, "#note-text"):
            break
    assert text(opened, "#note-text").startswith("G#4, bar 3, beat 3")
    opened.wait("document.querySelector('#legend').textContent.includes('d nats of the chosen note / d h')")
    opened.click('input[value="by_c"]')
    opened.wait("document.querySelector('#legend').textContent.includes('d nats of the chosen note / d c')")


def test_keys_choose_notes_one_after_the_other(opened):
    opened.ask("document.querySelector('#roll').focus()")
    for note in ("C4", "C#4", "D4"):
        opened.press("ArrowRight")
        opened.wait(f"document.querySelector('#note-text').textContent.startsWith('{note},')")
    assert "earlier notes have" in text(opened, "#note-text")


def test_another_tune_can_be_opened(opened):
    opened.click("#tunes button:nth-child(2)")
    opened.wait("document.querySelector('#tune-facts').textContent.startsWith('short')")
    assert opened.ask("document.querySelector('#tunes button:nth-child(2)').getAttribute('aria-pressed')") == "true"


def test_a_change_is_heard_beside_the_network_as_it_is(opened):
    assert "cost 1.250 nats a token as it is, and 1.500 with the change" in text(opened, "#changes")
    assert opened.ask("document.querySelectorAll('#tunes button').length") == 2  # the changed tune stands below
    opened.click("#changes tbody tr:nth-child(2) button")
    opened.wait("document.querySelector('#tune-facts').textContent.startsWith('changed')")
    opened.wait("document.querySelector('#seek').value > 0.2")


def test_a_unit_is_offered_by_the_name_of_what_it_follows(opened):
    assert "on the beat: c of unit 5" in text(opened, "#found")
    assert 'its c follows "on the beat" (r = 0.50' in text(opened, "#unit-text")
    opened.ask("const unit = document.querySelector('#unit'); unit.value = 2; unit.dispatchEvent(new Event('change'))")
    assert text(opened, "#unit-text") == "Unit 2 follows none of the things that were tried."


def test_it_tells_what_the_echo_said(opened):
    assert text(opened, "#echo-text").startswith("The echo said nothing")
    opened.ask("const seek = document.querySelector('#seek'); seek.value = 20; seek.dispatchEvent(new Event('input'))")
    opened.click("#play")
    said = "document.querySelector('#echo-text').textContent"
    opened.wait(f"/The echo said .*, and so it came: the last [0-9]+ tokens/.test({said})")


def test_a_gate_opens_its_equation(opened):
    opened.click("#gates button:nth-child(2)")
    opened.wait("document.querySelector('#equation').textContent.includes('f = sigmoid(z)')")


def test_keys_alone_reach_and_move_everything(opened):
    reached = set()
    for _ in range(60):
        opened.press("Tab")
        reached.add(
            opened.ask("document.activeElement.id || document.activeElement.name || document.activeElement.tagName")
        )
    assert {"play", "seek", "tempo", "volume", "roll", "unit", "quantity", "colour", "BUTTON"} <= reached
    opened.ask("document.querySelector('#play').focus()")
    opened.press(" ", code="Space", text=" ")
    opened.wait("document.querySelector('#seek').value > 0.2")
    opened.ask("document.querySelector('#roll').focus()")
    opened.press(" ", code="Space", text=" ")
    opened.wait("document.querySelector('#play').textContent === 'Play'")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 800, 1400])
def test_nothing_is_wider_than_the_window(opened, width, dark):
    opened.size(width, dark=dark)
    opened.wait("document.querySelector('#roll').width > 0")
    assert opened.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
