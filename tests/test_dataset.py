"""Corpora become songs of ids: split by song, one vocabulary, and an honest price for what it lacks."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import tune

from midi_io import SCHEMES, Note, Song, encode, transpose, write_song
from midi_io.corpus import CorpusError, read_corpus
from midi_io.corpus.dataset import build_dataset, cache_folder, split_corpora
from midi_io.tokens.words import NAMES, Scheme, Word
from midi_io.vocabulary import may_follow


def corpus_of(folder, songs, scheme="chord"):
    folder.mkdir(exist_ok=True)
    for number, notes in enumerate(songs):
        write_song(Song(notes, bpm=60 + number), folder / f"{number:02}.mid")
    return read_corpus([folder], progress=False, scheme=scheme)


@pytest.fixture
def corpus(tmp_path):
    return corpus_of(tmp_path / "songs", [tune(number) for number in range(10)])


def parts_of(corpus):
    return [part_of(corpus, *numbers) for numbers in ([0, 1, 2, 3, 4, 5], [6, 7], [8, 9])]


def part_of(corpus, *numbers):
    return replace(corpus, songs=[corpus.songs[number] for number in numbers])


@pytest.mark.parametrize("scheme", ["chord", "note", "paper"])
def test_songs_come_back_from_their_ids(tmp_path, scheme):
    corpus = corpus_of(tmp_path / "songs", [tune(number) for number in range(10)], scheme=scheme)
    data = build_dataset(parts_of(corpus))
    assert data.offsets[0] == 0
    assert data.offsets[-1] == len(data.flat)
    for number, (begin, end) in enumerate(zip(data.offsets, data.offsets[1:], strict=False)):
        tokens = data.vocabulary.tokens_of(data.flat[begin:end])
        assert (tokens[0], tokens[-1]) == ("<start>", "<end>")
        wanted = encode(tune(number), scheme)
        known = set(data.vocabulary.tokens)
        assert tokens[1:-1] == [token if token in known else "<unk>" for token in wanted]
    assert data.split.tolist() == [0] * 6 + [1] * 2 + [2] * 2
    assert [file.path[-6:] for file in data.files] == [f"{number:02}.mid" for number in range(10)]


def test_songs_are_as_long_as_their_notes(corpus):
    data = build_dataset(parts_of(corpus))
    for number in range(10):
        assert data.beats[number] == pytest.approx(max(note.start + note.duration for note in tune(number)), abs=2)
    assert data.beats[9] > data.beats[0]
    assert data.bpm == pytest.approx(np.arange(60, 70))


def test_rare_tokens_cost_what_it_takes_to_spell_them(corpus):
    data = build_dataset(parts_of(corpus), min_count=3)
    known = data.vocabulary.tokens[3:]
    counts = Counter(token for number in range(6) for token in encode(tune(number), "chord"))
    assert {token for token, count in counts.items() if count >= 3} == set(known)
    durations = len({token.partition(":")[2] for token in known})
    missing = [token for number in range(10) for token in encode(tune(number), "chord") if token not in known]
    assert np.count_nonzero(data.flat == 2) == len(data.spelling) == len(missing) > 0
    expected = [len(token.partition(":")[0].split(".")) * math.log(88) + math.log(durations) for token in missing]
    assert data.spelling == pytest.approx(expected)


def test_no_token_is_left(corpus):
    with pytest.raises(CorpusError, match=r"no token occurs 999 times .*lower --min-count"):
        build_dataset(parts_of(corpus), min_count=999)


def test_the_cache_is_where_it_can_be(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here" / "lstm-numpy"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "lstm-numpy"


def test_a_new_scheme_is_one_record_in_one_table(tmp_path, monkeypatch):
    """Here one that spells pitches alone, a beat each.  See `Scheme` in midi_io/tokens/words.py."""
    scheme = Scheme(
        "pitches", "C4",
        encode=lambda notes, grid: [NAMES[note.pitch] for note in notes],
        decode=lambda words: [Note(word.pitches[0], beat, 1.0) for beat, word in enumerate(words)],
        parse=lambda token: Word("notes", (NAMES.index(token),)),
        beats=lambda word: 1.0,
        start="",
        after=lambda last, word: word.kind,
        allowed=lambda last, words: [word.kind == "notes" for word in words],
    )  # fmt: skip
    monkeypatch.setitem(SCHEMES, "pitches", scheme)
    scale = [Note(60 + step, float(step), 1.0) for step in range(12)]
    corpus = corpus_of(tmp_path / "songs", [scale, transpose(scale, 2), transpose(scale, 4)], scheme="pitches")
    data = build_dataset([part_of(corpus, number) for number in range(3)])
    vocabulary = data.vocabulary
    assert data.beats.tolist() == [12, 12, 12]
    assert vocabulary.decode(data.flat[: data.offsets[1]]) == scale
    assert len(data.spelling) == 6  # the highest notes of the second and the third song are unknown
    assert vocabulary.nearest("C9") == max(vocabulary.tokens[3:], key=NAMES.index)
    assert may_follow(vocabulary)()(0).tolist() == [False] * 3 + [True] * (len(vocabulary) - 3)


# Splitting ------------------------------------------------------------------------------------------------------------


def contents(part):
    return {song.content for song in part.songs}


def test_a_tenth_is_held_out_twice(corpus):
    train, valid, test = split_corpora(corpus, None, None, np.random.default_rng(1))
    assert [len(part.songs) for part in (train, valid, test)] == [8, 1, 1]
    assert contents(train) | contents(valid) | contents(test) == {song.content for song in corpus.songs}


def test_no_music_stands_on_two_sides(corpus, tmp_path):
    valid = corpus_of(tmp_path / "valid", [tune(number) for number in (1, 2, 3, 20)])
    test = corpus_of(tmp_path / "test", [tune(number) for number in (3, 4, 21)])
    parts = split_corpora(corpus, valid, test, np.random.default_rng(1))
    assert [len(part.songs) for part in parts] == [6, 3, 3]
    assert not contents(parts[0]) & (contents(parts[1]) | contents(parts[2]))
    assert not contents(parts[1]) & contents(parts[2])
    train, held_out, given = split_corpora(corpus, None, test, np.random.default_rng(1))
    assert [len(part.songs) for part in (train, held_out, given)] == [7, 1, 3]


def test_nothing_left_to_train_on(corpus):
    with pytest.raises(CorpusError, match="no song is left to train on"):
        split_corpora(corpus, corpus, None, np.random.default_rng(1))


@pytest.mark.parametrize(("count", "sizes"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (10, [8, 1, 1])])
def test_a_part_gets_a_song_while_there_are_enough(corpus, count, sizes):
    parts = split_corpora(part_of(corpus, *range(count)), None, None, np.random.default_rng(0))
    assert [len(part.songs) for part in parts] == sizes
    again = split_corpora(part_of(corpus, *range(count)), None, None, np.random.default_rng(0))
    assert list(map(contents, parts)) == list(map(contents, again))
