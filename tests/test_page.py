"""The page of a run: its numbers are those of the library, it stays small, and no title can break out of it."""

import base64
import json
import re
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from experiment import page
from experiment.__main__ import main
from experiment.describe import describe
from experiment.folder import RunError
from experiment.listening import Finding
from experiment.page.embed import to_json
from experiment.page.learning import keep_tune, kept_tunes
from experiment.page.reading import PageTune, note_gradients, read_tune, watch
from experiment.page.units import forget_gate_held, silenced, without_echo
from experiment.tunes import Composer
from lstm_numpy import ModelConfig, forward, init_params, loss_and_gradients
from lstm_numpy.checkpoint import Checkpoint
from midi_io import SCHEMES, Note, Vocabulary, encode
from midi_io.tokens.context import Context

TUNE = [
    Note(60, 0, 1), Note(64, 0, 1), Note(67, 1, 0.5), Note(72, 1.5, 0.5), Note(71, 2, 1, 100, 40),
    Note(36, 3, 1, drum=True),
]  # fmt: skip


def composer_of(tokens, scheme="note", hidden=8, layers=1, seed=0, kind="none"):
    """A network that has learned nothing, for a vocabulary; kind: what it is told beside its tokens."""
    vocabulary = Vocabulary(("<start>", "<end>", "<unk>", *sorted(set(tokens))), scheme)
    context = Context(vocabulary, kind)
    config = ModelConfig(len(vocabulary), hidden, layers, context=context.sizes)
    params = init_params(config, np.random.default_rng(seed), np.float64)
    params["dense.b"][2] = -20  # <unk> is rare
    return Composer(Path(), Checkpoint(params, config, vocabulary.tokens, {}), vocabulary, 0, context)


def ids_of(composer, tokens):
    return composer.vocabulary.ids(["<start>", *tokens, "<end>"]).astype(np.int64)


@pytest.fixture(params=["none", "both"])
def short(request):
    """A network of two layers, and the ids of a tune; with and without clock and echo."""
    tokens = encode(TUNE, "note")
    composer = composer_of(tokens, layers=2, kind=request.param)
    return composer, ids_of(composer, tokens)


def told(composer, ids):
    """What the network is told beside ids, as the batch of one song."""
    rows = composer.context.of_songs(ids, np.array([0, len(ids)]))
    return {"context": rows[:, None]} if composer.context.sizes else {}


def data_of(path):
    """What stands in a page."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())[1])


def unpack(packed):
    """An array, as the page's script reads it."""
    data = zlib.decompress(base64.b64decode(packed["data"]))
    return np.frombuffer(data, packed["type"].removesuffix("Array").lower()).reshape(packed["shape"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_plays_the_notes_and_knows_the_token_of_each(scheme):
    tokens = encode(TUNE, scheme)
    composer = composer_of(tokens, scheme)
    ids = ids_of(composer, tokens)
    shown = read_tune(composer, PageTune("", "", ids))
    pitches, places, starts = (unpack(shown[name]) for name in ("pitch", "place", "start"))
    notes = composer.vocabulary.decode(ids)
    assert pitches.tolist() == [note.pitch for note in notes]
    assert np.diff(starts).tolist() == np.diff([note.start for note in notes]).tolist()
    words = [composer.vocabulary.tokens[ids[place]] for place in places]
    names = {60: "C4", 64: "E4", 67: "G4", 72: "C5", 71: "B4", 36: "drum36"}
    assert all(names[pitch] in word for pitch, word in zip(pitches.tolist(), words, strict=True))
    voices = [shown["voices"][voice]["name"] for voice in unpack(shown["voice"])]
    assert len(set(voices)) == (3 if scheme == "note" else 2)  # piano, violin, drums; or melody and chords


def test_nats_are_those_of_describe_and_the_best_five_add_up(short):
    composer, ids = short
    shown = read_tune(composer, PageTune("", "", ids))
    loss, _ = describe(composer.params, ids[:-1, None], ids[1:, None], **told(composer, ids[:-1]))
    assert shown["nats"] == pytest.approx(loss, rel=1e-6)
    p = unpack(shown["p"])[1:] / 65535
    assert (np.diff(p, axis=1) <= 0).all()
    came = unpack(shown["best"])[1:] == ids[1:, None]
    cost = unpack(shown["cost"])[1:]
    assert came.any()
    assert p[came] == pytest.approx(np.exp(-cost)[came.any(axis=1)], abs=1e-5)


def test_activations_are_those_of_the_forward_pass_and_the_equation_gives_the_gate(short):
    composer, ids = short
    seen = watch(composer, ids, [3, 5], most_moments=100, most_notes=100)
    step = forward(composer.params, ids[:, None], **told(composer, ids))[2]["lstm2"]
    places = unpack(seen["place"])
    assert len(places) == 5  # moments
    i, f, o, g, c, h = unpack(seen["units"]) / 255
    for found, true in ((i, step.i), (f, step.f), (o, step.o), (2 * g - 1, step.g), (2 * c - 1, step.tanh_c)):
        assert found == pytest.approx(true[places, 0], abs=1 / 200)
    assert 2 * h - 1 == pytest.approx(step.h[places + 1, 0], abs=1 / 200)
    exact = unpack(seen["exact"])  # (moments, units, ...)
    for unit, numbers in zip((3, 5), exact.transpose(1, 2, 0), strict=True):
        z = numbers[0:4] + numbers[4:8] + numbers[8:12]
        assert 1 / (1 + np.exp(-z[1])) == pytest.approx(step.f[places, 0, unit], rel=1e-5)
        assert np.tanh(z[3]) == pytest.approx(step.g[places, 0, unit], rel=1e-5)
        i, f, o, g, before, after, tanh_c, h = numbers[12:]
        assert f * before + i * g == pytest.approx(after, rel=1e-5)
        assert o * tanh_c == pytest.approx(h, rel=1e-5)


def test_what_a_unit_follows_is_said_of_each_moment(short):
    composer, ids = short
    found = [Finding(name, "c", 0, 1, 1, 0, 0) for name in ("on the beat", "the note is high")]
    followed = page.what_is_followed(composer, ids, found)
    on_the_beat, high = unpack(followed["said"])
    assert unpack(followed["said_at"]).tolist() == [0, 1, 1.5, 2, 3]
    assert on_the_beat.tolist() == [255, 255, 0, 255, 255]
    assert (high.min(), high.max(), high.argmax()) == (0, 255, 2)


def test_a_gradient_is_that_of_one_loss_alone(short, monkeypatch):
    composer, ids = short
    monkeypatch.setattr("experiment.page.reading.LANES", 2)
    places = np.array([1, 4, 7, 9])
    by_h, by_c = note_gradients(composer, ids, places)
    for k, place in enumerate(places):
        targets = np.full((place, 1), -1)
        targets[-1] = ids[place]
        step = loss_and_gradients(composer.params, ids[:place, None], targets, **told(composer, ids[:place]))[3][
            "lstm2"
        ]
        for found, gradient in ((by_h, step.dh), (by_c, step.dc)):
            norms = [np.linalg.norm(gradient[before + 1]) if before < place else 0 for before in places]
            assert found[k] == pytest.approx(norms)
    assert (by_h[np.tril_indices(4, -1)] > 0).all()


def test_a_silent_unit_changes_nothing_any_more(short):
    composer, ids = short
    quiet = silenced(composer.params, 3)
    other = {name: values.copy() for name, values in quiet.items()}
    other["lstm2.b"][3::8] += 2  # all four gates of the unit
    logits, changed = (forward(params, ids[:, None], **told(composer, ids))[0] for params in (quiet, other))
    assert logits == pytest.approx(changed)
    assert not np.allclose(logits, forward(composer.params, ids[:, None], **told(composer, ids))[0])


@pytest.mark.parametrize(("bias", "gate"), [(100.0, 1.0), (-100.0, 0.0)])
def test_a_held_forget_gate_stays_where_it_is(short, bias, gate):
    composer, ids = short
    f = forward(forget_gate_held(composer.params, 3, bias), ids[:, None], **told(composer, ids))[2]["lstm2"].f[:, 0]
    assert f[:, 3] == pytest.approx(gate)
    assert (np.abs(f[:, 4] - gate) > 0.1).all()


def test_the_page_tells_what_the_echo_said():
    phrase = ["C4", "+1", "D4", "+1", "E4", "+1", "F4", "+1"]
    composer = composer_of(phrase, kind="both")
    ids = ids_of(composer, phrase * 3)
    shown = read_tune(composer, PageTune("", "", ids))
    echo, equal = unpack(shown["echo"]), unpack(shown["equal"])
    assert (echo[:12] == 0).all()  # nothing has come back yet
    assert (echo[13:25] == ids[13:25]).all()  # from here on the phrase is repeated, and the echo knows what comes
    assert equal[24] >= 8
    assert "echo" not in read_tune(composer_of(phrase), PageTune("", "", ids))


def test_without_the_echo_nothing_that_it_says_is_heard():
    composer = composer_of(["C4", "D4", "+1"], kind="both")
    deaf = without_echo(composer.params, composer.context.names)
    ids = np.zeros((1, 1), np.int64)
    row = np.zeros((1, 1, len(composer.context.names)), np.int64)
    silent = forward(deaf, ids, context=row)[0]
    row[..., composer.context.names.index("echo")] = 3
    row[..., composer.context.names.index("run")] = 5
    assert (forward(deaf, ids, context=row)[0] == silent).all()
    row[..., composer.context.names.index("bar")] = 5  # the clock is
    assert (forward(deaf, ids, context=row)[0] != silent).any()


def test_ten_songs_of_3000_tokens_are_less_than_3_megabytes(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "NOTES", 8)  # the test is about size; each gradient takes time
    rng = np.random.default_rng(0)
    names = [f"{letter}{octave}" for letter in "CDEFGAB" for octave in range(1, 8)]
    composer = composer_of([*names, "+1/2"], hidden=256)
    tunes = [
        PageTune(
            f"song {k}", "", ids_of(composer, [token for name in rng.choice(names, 1500) for token in (name, "+1/2")])
        )
        for k in range(10)
    ]
    assert page.write_page(tmp_path / "page.html", "Ten songs", composer, tunes) == 10
    assert 1e6 < (tmp_path / "page.html").stat().st_size < 3e6
    assert "watch" in data_of(tmp_path / "page.html")["tunes"][0]


def test_only_tokens_that_are_spoken_of_are_in_a_page(tmp_path):
    composer = composer_of([f"v{k}" for k in range(1, 128)] + ["C4", "D4"])
    ids = ids_of(composer, ["C4", "D4"])
    page.write_page(tmp_path / "page.html", "Few", composer, [PageTune("", "", ids)])
    tokens = data_of(tmp_path / "page.html")["tokens"]
    assert {"<start>", "C4", "D4", "<end>"} <= set(tokens.values())
    assert len(tokens) < 30
    assert all(composer.vocabulary.tokens[int(k)] == token for k, token in tokens.items())


def test_too_many_tunes_are_cut_and_counted(tmp_path, monkeypatch, short):
    composer, ids = short
    monkeypatch.setattr(page, "FOR_TUNES", 100_000)
    shown = page.write_page(tmp_path / "page.html", "Many", composer, [PageTune("", "", ids)] * 100)
    assert 1 < shown < 100
    assert len(data_of(tmp_path / "page.html")["tunes"]) == shown


def test_markup_in_a_title_stays_text(tmp_path, short):
    composer, ids = short
    title = "</script><img src=x onerror=alert(1)>&amp;<!--\u2028\u2029{{SCRIPT}}"
    page.write_page(tmp_path / "page.html", title, composer, [PageTune(title, title, ids)])
    text = (tmp_path / "page.html").read_text()
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert data_of(tmp_path / "page.html")["tunes"][0]["title"] == title
    assert json.loads(to_json({title: title})) == {title: title}


def test_a_tune_without_notes_has_a_page(tmp_path, short):
    composer, _ = short
    page.write_page(tmp_path / "page.html", "Silence", composer, [PageTune("nothing", "", np.array([0, 1]))])
    assert unpack(data_of(tmp_path / "page.html")["tunes"][0]["pitch"]).size == 0


def test_tunes_are_kept_while_a_network_learns(tmp_path, short):
    composer, _ = short
    for epoch in (0, 1, 2, 3):
        keep_tune(tmp_path / "learning.npz", epoch, composer, seed=7)
    assert list(kept_tunes(tmp_path / "learning.npz", 99)) == [0, 1, 3]
    keep_tune(tmp_path / "learning.npz", 1, composer, seed=8)  # a resumed run, which goes on from an earlier epoch
    assert list(kept_tunes(tmp_path / "learning.npz", 99)) == [0, 1]
    assert kept_tunes(tmp_path / "nothing.npz", 99) == {}


def test_a_kept_tune_of_another_vocabulary_is_refused_in_one_line(tmp_path, short):
    keep_tune(tmp_path / "learning.npz", 0, short[0], seed=7)
    with pytest.raises(RunError, match=r"learning\.npz") as error:
        kept_tunes(tmp_path / "learning.npz", 2)
    assert "\n" not in str(error.value)


def test_the_command_writes_the_page_of_a_run(finished, tmp_path, capsys):
    run = shutil.copytree(finished[0], tmp_path / "run")
    song = next(iter((run.parent / "run").glob("sample.mid")))
    assert main(["page", str(run), "--song", str(song)]) == 0
    assert "index.html: 0." in capsys.readouterr().out
    data = data_of(run / "index.html")
    groups = list(dict.fromkeys(tune["group"] for tune in data["tunes"]))
    assert groups[0] == "Your song"
    assert {"Written by the network", "Songs it has not seen", "Hear it learn"} <= set(groups)
    assert data["learned"]["curves"]["loss"]
    assert data["learned"]["weights"]["lstm1.b.f"]["bands"][3][0] == 1  # the median forget bias before training


def test_a_folder_that_is_no_run_is_one_line(tmp_path, capsys):
    assert main(["page", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert str(tmp_path) in printed.err
