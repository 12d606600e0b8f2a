"""Nats by the length of a repeat."""

from __future__ import annotations

import numpy as np
import pytest

from experiment.report import repeat_table, repeats_of
from lstm_numpy.batches import Songs
from lstm_numpy.evaluation import Evaluation
from midi_io.notes import Note
from midi_io.tokens import encode
from midi_io.tokens.context import Context
from midi_io.tokens.echo import RUNS
from midi_io.vocabulary import Vocabulary


def test_each_target_counts_once_where_its_repeat_is(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = np.array([0, 5, 6, 7, 8, 1])
    run = np.array([0, 1, 1 + RUNS.index(4), 1 + RUNS.index(6), len(RUNS), 3])  # 1: it goes on
    echo = np.array([5, 6, 7, 9, 1, 4])
    nats = np.array([9.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    scored = np.array([False, True, True, True, True, True])
    known = Vocabulary(("<start>", "<end>", "<unk>"))
    columns = {"echo": echo, "run": run}
    told = np.stack([columns.get(name, run) for name in Context(known, "echo").names], axis=1)
    monkeypatch.setattr(Context, "of_songs", lambda *_: told)
    rows = repeats_of(known, Songs.of([flat]), Evaluation(nats, scored, 0))
    assert [tuple(row) for row in rows] == [
        (0, 0.4, 1.5, 0.5),
        (4, 0.2, 3.0, 1.0),
        (6, 0.2, 4.0, 0.0),
        (48, 0.2, 5.0, 1.0),
    ]
    text = repeat_table(rows)
    assert "fewer than 4" in text
    assert "48 and more" in text


def test_a_phrase_that_comes_again_is_found() -> None:
    phrase = [Note(60 + (5 * k) % 12, k / 2, 0.5) for k in range(32)]
    tokens = encode(phrase + [note._replace(start=note.start + 16) for note in phrase])
    known = Vocabulary.build(dict.fromkeys(tokens, 1))
    flat = known.ids(["<start>", *tokens, "<end>"])
    found = Evaluation(np.zeros(len(flat)), np.arange(len(flat)) > 0, 0)
    rows = repeats_of(known, Songs.of([flat]), found)
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert rows[-1].tokens == 48
    assert rows[-1].copied > 0.9
