"""A network that is no better than counting is told what would help, with figures from its own run."""

import numpy as np
import pytest

from experiment.report import advice

COUNTING = {"uniform_nats_per_token": 5.0, "unigram_nats_per_token": 4.0, "bigram_nats_per_token": 3.0}


def told(losses, valid, trigram=2.0, spelling=0.0):
    figures = {**COUNTING, "trigram_nats_per_token": trigram, "valid_nats_per_token": valid}
    return advice(np.asarray(losses), {**figures, "valid_spelling_nats_per_token": spelling})


def falling(by, steps=4096, end=2.5):
    """Losses that fall by so much each time that the steps double."""
    return end - by * np.log2(np.arange(1, steps + 1) / steps)


def test_who_beats_counting_needs_no_advice():
    assert told(falling(0.3), 1.99) == []
    assert advice(falling(0.3), COUNTING) == []  # no valid song was scored


@pytest.mark.parametrize("by", [0.1, 0.25, 5.0])
def test_what_more_time_gives_follows_from_how_the_loss_falls(by):
    lines = told(falling(by), 2.5)
    assert "0.50 nats per token are missing" in lines[0]
    assert f"twice the steps gave {by:.2f}" in lines[1]
    assert len(lines) == 2


def test_more_time_does_not_help_a_network_that_knows_its_songs_by_heart():
    lines = told(np.full(500, 1.2), 2.7)
    assert "more songs" in lines[1]
    assert lines[1].endswith("cost 1.50 less")


def test_a_few_steps_tell_nothing_but_that_they_are_few():
    assert "99 steps are too few" in told(falling(0.5, 99), 4.0)[1]


def test_unknown_tokens_are_named():
    assert "lack cost 0.70" in told(falling(0.5), 2.6, spelling=0.7)[-1]
