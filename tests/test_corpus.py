import hashlib
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from midi_bytes import END, midi, track

from midi_io import Note, Song, encode, read_notes, write_notes, write_song
from midi_io.corpus import CorpusError, read_corpus, write_skipped
from midi_io.corpus.workers import in_processes
from midi_io.disk import read_bytes

needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and signals")


def tune(number, program=0):
    """Sixteen notes that no other number gives."""
    pitches = [60 + number % 20, 40 + number // 20] * 8
    return [Note(pitch, float(beat), 1.0, 80, program) for beat, pitch in enumerate(pitches)]


@pytest.fixture
def folder(tmp_path):
    """Six songs in three folders."""
    place = tmp_path / "music"
    for number, name in enumerate(["b/two.mid", "a/one.MID", "a/zero.midi", "c.kar", "b/deep/er/x.rmi", "z.smf"]):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_song(Song(tune(number), f"Tune {number}", 90.0, (3, 4)), path)
    (place / "README.txt").write_text("not music")
    return place


def read(folder, **options):
    return read_corpus([folder], progress=False, **options)


def content(corpus):
    """Everything of a corpus, for comparing."""
    songs = [(s.path, s.sha256, s.bpm, s.ids.tolist()) for s in corpus.songs]
    return songs, corpus.tokens, corpus.skipped


# What is read ---------------------------------------------------------------------------------------------------------


def test_a_folder_becomes_songs_of_ids_in_the_order_of_names(folder):
    corpus = read(folder)
    names = [Path(song.path).relative_to(folder).as_posix() for song in corpus.songs]
    assert names == ["c.kar", "z.smf", "a/one.MID", "a/zero.midi", "b/two.mid", "b/deep/er/x.rmi"]
    song = corpus.songs[0]
    assert song.bpm == 90.0
    assert song.sha256 == hashlib.sha256((folder / "c.kar").read_bytes()).hexdigest()
    for song in corpus.songs:
        assert [corpus.tokens[i] for i in song.ids] == encode(read_notes(song.path), "note", 12)
        assert song.ids.dtype == np.uint8
    assert corpus.report() == "read 6 of 6 files"


@pytest.mark.parametrize(("scheme", "grid"), [("paper", 12), ("chord", 12), ("note", 4)])
def test_scheme_and_grid_are_those_of_the_tokens(folder, scheme, grid):
    corpus = read(folder, scheme=scheme, grid=grid)
    song = corpus.songs[-1]
    assert [corpus.tokens[i] for i in song.ids] == encode(read_notes(song.path), scheme, grid)


def test_more_than_256_tokens_take_two_bytes_each(tmp_path):
    for pitch in range(30, 90):
        chords = [Note(pitch + higher, float(beat), 1.0) for beat in range(8) for higher in (0, beat + 1)]
        write_notes(chords, tmp_path / f"{pitch}.mid")
    corpus = read(tmp_path, scheme="chord")
    assert len(corpus.tokens) > 256
    assert {song.ids.dtype for song in corpus.songs} == {np.dtype(np.uint16)}
    for song in corpus.songs:
        assert [corpus.tokens[i] for i in song.ids] == encode(read_notes(song.path), "chord", 12)


def test_every_file_that_is_not_read_is_named_with_its_reason(folder):
    write_notes(tune(7), folder / "good.mid")
    good = (folder / "good.mid").read_bytes()
    (folder / "cut.mid").write_bytes(good[:-9])
    (folder / "page.mid").write_bytes(b"<html>404</html>")
    (folder / "nothing.mid").write_bytes(b"")
    (folder / "silent.mid").write_bytes(midi(track(END)))
    (folder / "jingle.mid").write_bytes(midi(track("00 90 3c 40 60 80 3c 40" + END)))
    (folder / "large.mid").write_bytes(good + bytes(99_999))
    (folder / "copy.mid").write_bytes(good)
    write_song(Song(tune(7), "Another name"), folder / "again.mid")
    corpus = read(folder, max_bytes=50_000)
    kinds = {Path(path).name: kind for path, kind, _ in corpus.skipped}
    assert kinds == {
        "cut.mid": "cut short",
        "page.mid": "not MIDI",
        "nothing.mid": "empty",
        "silent.mid": "no notes",
        "jingle.mid": "too short",
        "large.mid": "too large",
        "copy.mid": "found twice",
        "good.mid": "found twice",  # as "again.mid", which has other bytes and the same music
    }
    assert corpus.report() == (
        "read 7 of 15 files (8 skipped: 2 found twice, 1 cut short, 1 empty, 1 no notes, 1 not MIDI, "
        "1 too large, 1 too short)"
    )
    assert [reason for _, _, reason in corpus.skipped if "same music" in reason] == [
        f"is the same music as {folder / 'again.mid'}"
    ] * 2


def test_files_with_data_bytes_above_127_are_counted(folder):
    notes = "00 90 3c 40  60 80 3c 40" * 8
    (folder / "bend.mid").write_bytes(midi(track("00 e0 80 ff" + notes + END)))
    assert read(folder).report() == "read 7 of 7 files; 1 with data bytes above 127, of which 7 bits were read"


def test_the_table_of_skipped_files_is_safe_to_print(folder, tmp_path):
    Path(os.fsdecode(os.fsencode(folder) + b"/esc\x1b[31m\ttab\nline \xff.mid")).write_bytes(b"")
    write_skipped(read(folder).skipped, tmp_path / "skipped.tsv")
    header, line = (tmp_path / "skipped.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "path\tkind\treason"
    assert line == f"{folder}/esc\\x1b[31m\\ttab\\nline \\udcff.mid\tempty\tis empty"


def test_a_file_may_stand_for_a_folder(folder):
    corpus = read(folder / "c.kar")
    assert (len(corpus.songs), corpus.skipped) == (1, [])


@needs_unix
def test_links_loops_pipes_and_closed_folders(folder, tmp_path):
    (folder / "loop").symlink_to(folder)
    (folder / "self.mid").symlink_to("self.mid")
    (folder / "dangling.mid").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.mid")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_notes(tune(8), elsewhere / "linked.mid")
    (folder / "link").symlink_to(elsewhere)
    corpus = read_corpus([folder, folder / "a"], progress=False)
    assert names(corpus) == ["c.kar", "z.smf", "one.MID", "zero.midi", "two.mid", "x.rmi", "linked.mid"]
    assert {(Path(path).name, kind) for path, kind, _ in corpus.skipped} == {
        ("loop", "folder linked twice"),
        ("a", "folder linked twice"),
        ("self.mid", "unreadable"),
        ("dangling.mid", "missing"),
        ("pipe.mid", "not a file"),
    }


@needs_unix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="the superuser may read everything")
def test_unreadable_files_and_folders(folder):
    (folder / "b").chmod(0)
    (folder / "c.kar").chmod(0)
    try:
        kinds = {Path(path).name: kind for path, kind, _ in read(folder).skipped}
    finally:
        (folder / "b").chmod(0o755)
    assert kinds == {"b": "unreadable folder", "c.kar": "unreadable"}


def test_a_file_that_vanishes_while_the_others_are_read(folder, monkeypatch):
    def vanishing(path, max_bytes):
        if path.endswith("two.mid"):
            Path(path).unlink()
        return read_bytes(path, max_bytes)

    monkeypatch.setattr("midi_io.corpus.read_bytes", vanishing)
    corpus = read(folder)
    assert len(corpus.songs) == 5
    assert [(Path(path).name, kind) for path, kind, _ in corpus.skipped] == [("two.mid", "missing")]


def test_the_order_does_not_depend_on_the_file_system(folder, monkeypatch):
    expected = content(read(folder))

    class Backwards:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return self

        def __next__(self):
            if not self.entries:
                raise StopIteration
            return self.entries.pop(0)

        def __exit__(self, *_):
            pass

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", Backwards)
    assert content(read(folder)) == expected


@pytest.mark.parametrize("make", [lambda f: f / "missing", lambda f: f / "empty", lambda f: f / "bad"])
def test_nothing_to_read_is_one_line(folder, make):
    (folder / "empty").mkdir()
    (folder / "bad").mkdir()
    (folder / "bad" / "bad.mid").write_bytes(b"bad")
    with pytest.raises(CorpusError) as caught:
        read(make(folder))
    assert str(caught.value).isprintable()
    assert str(folder) in str(caught.value)


@needs_unix
@pytest.mark.parametrize("name", ["", "/proc", "/proc/self/fd", "/sys/kernel"])
def test_what_is_no_folder_of_music_is_refused_at_once(name):
    with pytest.raises(CorpusError, match="is no folder of music"):
        read(name)


# What is chosen -------------------------------------------------------------------------------------------------------


@pytest.fixture
def lakh(tmp_path):
    """Three tracks in folders named as Lakh's matched ones, and a table of genres."""
    for number, identity in enumerate(["TRAAAGR128F425B14B", "TRAAAZF12903CCCF6B", "TRABXGK128F42B4A77"]):
        path = tmp_path / "lakh" / "A" / identity / f"{number}.mid"
        path.parent.mkdir(parents=True)
        write_notes(tune(number), path)
    table = tmp_path / "genres.cls"
    table.write_text("# a remark\nTRAAAGR128F425B14B\tPop\nTRAAAZF12903CCCF6B\tRock\tPop\nTRZZZZZ128F425B14B\tJazz\n")
    return tmp_path


def names(corpus):
    return [Path(song.path).name for song in corpus.songs]


def test_genres_choose_files_by_the_track_in_their_path(lakh):
    def choose(*genre):
        return names(read(lakh / "lakh", genres=lakh / "genres.cls", genre=genre))

    assert choose("pop") == ["0.mid", "1.mid"]
    assert choose("ROCK") == ["1.mid"]
    assert choose() == ["0.mid", "1.mid"]  # of any genre, as long as the table knows it


@pytest.mark.parametrize(
    ("genre", "says"),
    [("Polka", "has no genre polka; it has jazz, pop, rock"), ("Jazz", "none of 3 files is of these genres")],
)
def test_genres_that_choose_nothing_are_one_line(lakh, genre, says):
    with pytest.raises(CorpusError, match=says):
        read(lakh / "lakh", genres=lakh / "genres.cls", genre=[genre])


@pytest.mark.parametrize("text", [None, b"", b"no tabs here\n", b"\xff\x00\n"])
def test_a_table_of_genres_that_is_none_is_one_line(lakh, text):
    path = lakh / "other.cls"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(CorpusError) as caught:
        read(lakh / "lakh", genres=path, genre=["Pop"])
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


def test_a_list_chooses_files_and_what_it_names_in_vain_is_told(folder, tmp_path):
    chosen = tmp_path / "list.txt"
    chosen.write_text(f"# the two best\r\na/one.MID\r\n\n{folder / 'z.smf'}\nb/nothing.mid\n")
    corpus = read(folder, file_list=chosen)
    assert names(corpus) == ["z.smf", "one.MID"]
    assert [(path, kind) for path, kind, _ in corpus.skipped] == [("b/nothing.mid", "missing")]
    chosen.write_text("nothing.mid\n")
    with pytest.raises(CorpusError, match="none of its 1 names"):
        read(folder, file_list=chosen)


@needs_unix
@pytest.mark.parametrize("option", ["file_list", "genres"])
def test_lists_and_tables_are_regular_files_of_a_bounded_size(folder, tmp_path, option, monkeypatch):
    monkeypatch.setattr("midi_io.corpus.files.MAX_LIST", 1000)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(1001))
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "pipe", tmp_path / "large", tmp_path / "loop", tmp_path, "/dev/zero"):
        with pytest.raises(CorpusError) as caught:
            read(folder, **{option: path})
        assert str(caught.value).startswith(f"{path}: this ")


def test_instruments_and_drums_are_chosen(tmp_path):
    drums = [Note(36, float(beat), 0.5, drum=True) for beat in range(16)]
    write_notes(tune(1, program=0) + tune(2, program=40) + drums, tmp_path / "band.mid")
    write_notes(tune(3, program=0) + drums, tmp_path / "duo.mid")

    def tokens(**options):
        corpus = read(tmp_path, scheme="note", **options)
        return {Path(song.path).stem: [corpus.tokens[i] for i in song.ids] for song in corpus.songs}, corpus.skipped

    violin, skipped = tokens(programs=[40], drums=False)
    assert violin == {"band": encode(tune(2, program=40), "note", 12)}
    assert [kind for _, kind, _ in skipped] == ["other instruments"]
    with_drums, _ = tokens(programs=[40])
    assert with_drums == {"band": encode(tune(2, program=40) + drums, "note", 12)}
    without, _ = tokens(drums=False)
    assert without["duo"] == encode(tune(3), "note", 12)


def test_at_most_n_songs_are_the_same_ones_every_time_whatever_is_skipped(folder):
    (folder / "bad.mid").write_bytes(b"bad")
    three = read(folder, max_songs=3)
    assert len(three.songs) == 3
    assert content(read(folder, max_songs=3)) == content(three)
    assert set(names(three)) < set(names(read(folder, max_songs=5)))
    assert len(read(folder, max_songs=99).songs) == 6


# The cache ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch):
    """The names of the MIDI files that were opened, in a list that a test may clear."""
    opened = []

    def counting(path, max_bytes):
        if Path(path).suffix != ".batch":
            opened.append(Path(path).name)
        return read_bytes(path, max_bytes)

    monkeypatch.setattr("midi_io.corpus.read_bytes", counting)
    return opened


def test_the_second_run_opens_no_file_and_gives_the_same(folder, tmp_path, reads):
    (folder / "bad.mid").write_bytes(b"bad")
    first = content(read(folder, cache=tmp_path / "cache"))
    assert len(reads) == 7
    reads.clear()
    assert content(read(folder, cache=tmp_path / "cache")) == first == content(read(folder, cache=tmp_path / "cache"))
    assert reads == []


def test_the_cache_notices_a_changed_file_even_of_the_same_size_and_time(folder, tmp_path):
    read(folder, cache=tmp_path / "cache")
    path = folder / "c.kar"
    before = path.stat()
    data = path.read_bytes()
    time.sleep(0.02)  # a clock tick of the file system
    path.write_bytes(data.replace(b"Tune 3", b"Tune X"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    song = read(folder, cache=tmp_path / "cache").songs[0]
    assert song.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_cache_notices_changed_options_and_a_changed_program(folder, tmp_path, reads, monkeypatch):
    for options in ({}, {"grid": 4}, {"scheme": "chord"}, {"drums": False}, {"programs": [0]}, {"max_bytes": 9999}):
        assert content(read(folder, cache=tmp_path / "cache", **options)) == content(read(folder, **options))
        assert len(reads) == 12
        reads.clear()
    monkeypatch.setattr("midi_io.corpus.PROGRAM", b"another")
    read(folder, cache=tmp_path / "cache")
    assert len(reads) == 6


@needs_unix
def test_anything_in_the_cache_may_be_deleted_or_damaged(folder, tmp_path):
    cache = tmp_path / "cache"
    expected = content(read(folder, cache=cache))
    [entry] = cache.iterdir()
    whole = entry.read_bytes()
    flipped = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in (0, 40, len(whole) - 1)]
    for damage in (whole[:-30], b"", b"PK\x03\x04", np.arange(9).tobytes(), *flipped):
        entry.write_bytes(damage)
        assert content(read(folder, cache=cache)) == expected
    entry.unlink()
    os.mkfifo(entry)
    assert content(read(folder, cache=cache)) == expected
    assert content(read(folder, cache=cache)) == expected


def test_a_fault_that_may_pass_is_not_remembered(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("midi_io.corpus.read_bytes", lambda path, size: read_bytes(f"{path}.gone", size))
    with pytest.raises(CorpusError, match=r"none of 6 MIDI files is usable \(6 missing\)"):
        read(folder, cache=tmp_path / "cache")
    monkeypatch.undo()
    assert len(read(folder, cache=tmp_path / "cache").songs) == 6


def test_a_cache_that_cannot_be_one_costs_time_alone(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for cache in (tmp_path / "file", tmp_path / "file" / "folder"):
        assert content(read(folder, cache=cache)) == content(read(folder))


def many(folder, count):
    folder.mkdir()
    for number in range(count):
        write_notes(tune(number), folder / f"{number:03}.mid")


def test_a_new_file_makes_only_its_neighbours_be_read_again(tmp_path, reads):
    many(tmp_path / "music", 300)
    read(tmp_path / "music", cache=tmp_path / "cache")
    write_notes(tune(300), tmp_path / "music" / "000 new.mid")
    reads.clear()
    read(tmp_path / "music", cache=tmp_path / "cache")
    assert "000 new.mid" in reads
    assert len(reads) < 200


def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path, monkeypatch, reads):
    many(tmp_path / "music", 300)
    expected = content(read(tmp_path / "music"))
    reads.clear()
    counting = sys.modules["midi_io.corpus"].read_bytes

    def interrupted(path, max_bytes):
        if len(reads) == 250:
            raise KeyboardInterrupt
        return counting(path, max_bytes)

    monkeypatch.setattr("midi_io.corpus.read_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read(tmp_path / "music", cache=tmp_path / "cache")
    monkeypatch.setattr("midi_io.corpus.read_bytes", counting)
    assert content(read(tmp_path / "music", cache=tmp_path / "cache")) == expected
    assert 300 < len(reads) < 450  # not everything twice


# Workers --------------------------------------------------------------------------------------------------------------


def test_processes_give_the_same_corpus_as_one(folder, monkeypatch):
    monkeypatch.setattr("midi_io.corpus.WORTH_PROCESSES", 0)
    monkeypatch.setattr("midi_io.corpus.BATCH_FILES", 2)
    expected = content(read(folder))
    assert content(read_corpus([folder], workers=2, progress=False)) == expected


def dies_of(parent, item):
    """The square of an item; the process that meets 3 dies, unless it is the parent."""
    if item == 3 and os.getpid() != parent:
        os._exit(137)  # as when the system ends a process that takes too much memory
    return item * item


def test_where_a_process_dies_the_rest_is_done_here():
    squares = in_processes(partial(dies_of, os.getpid()), range(9), workers=2)
    assert list(squares) == [item * item for item in range(9)]


def test_without_processes_all_is_done_here(monkeypatch):
    def refuse(*_):
        raise OSError("no semaphores")

    monkeypatch.setattr("midi_io.corpus.workers.ProcessPoolExecutor", refuse)
    assert list(in_processes(abs, [-1, -2], workers=2)) == [1, 2]


def test_a_script_of_three_lines_reads_a_folder(tmp_path):
    """It has no `if __name__ == "__main__"`, which a process that is started would need."""
    songs = Path(__file__).parents[1] / "songs"
    script = f"from midi_io.corpus import read_corpus\ncorpus = read_corpus([{str(songs)!r}])\nprint(corpus.report())\n"
    (tmp_path / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(songs.parent)}
    command = [sys.executable, str(tmp_path / "script.py")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "read 1,028 of 1,028 files\n"
    assert "Traceback" not in ran.stderr


SCRIPT = """
import sys
from pathlib import Path
import midi_io.corpus
midi_io.corpus.BATCH_FILES, midi_io.corpus.WORTH_PROCESSES = 4, 0
if __name__ == "__main__":
    corpus = midi_io.corpus.read_corpus([sys.argv[1]], cache=Path(sys.argv[2]), workers=2, progress=False)
    print(corpus.report())
"""


@needs_unix
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_run_of_processes_that_is_stopped_leaves_what_it_finished(tmp_path, stop):
    many(tmp_path / "music", 300)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    cache = tmp_path / "cache"
    command = [sys.executable, str(script), str(tmp_path / "music"), str(cache)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not (cache.exists() and len(list(cache.glob("*.batch"))) > 3):
        time.sleep(0.01)
    run.send_signal(stop)
    _, errors = run.communicate(timeout=60)
    assert errors.count("Traceback") == (stop == signal.SIGINT)  # the script's own, and none of its workers'
    kept = set(cache.glob("*.batch"))
    assert len(kept) > 3
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert again.stdout == "read 300 of 300 files\n"
    assert kept < set(cache.glob("*.batch"))
