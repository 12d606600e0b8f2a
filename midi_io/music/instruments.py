"""The instruments of General MIDI by name: 16 families of 8 programs."""

from collections import Counter
from collections.abc import Sequence

from midi_io.disk import MidiIoError
from midi_io.notes import Note, pitch_name

FAMILIES = {
    "piano": "grand piano, bright piano, electric grand, honky tonk, electric piano, electric piano 2, "
    "harpsichord, clavinet",
    "chromatic": "celesta, glockenspiel, music box, vibraphone, marimba, xylophone, tubular bells, dulcimer",
    "organ": "drawbar organ, percussive organ, rock organ, church organ, reed organ, accordion, harmonica, bandoneon",
    "guitar": "nylon guitar, steel guitar, jazz guitar, clean guitar, muted guitar, "
    "overdriven guitar, distortion guitar, guitar harmonics",
    "bass": "acoustic bass, finger bass, pick bass, fretless bass, slap bass, slap bass 2, synth bass, synth bass 2",
    "strings": "violin, viola, cello, contrabass, tremolo strings, pizzicato, harp, timpani",
    "ensemble": "string ensemble, string ensemble 2, synth strings, synth strings 2, choir, voice, "
    "synth voice, orchestra hit",
    "brass": "trumpet, trombone, tuba, muted trumpet, french horn, brass section, synth brass, synth brass 2",
    "reed": "soprano sax, alto sax, tenor sax, baritone sax, oboe, english horn, bassoon, clarinet",
    "pipe": "piccolo, flute, recorder, pan flute, bottle, shakuhachi, whistle, ocarina",
    "lead": "square, sawtooth, calliope, chiff, charang, solo voice, fifths, bass and lead",
    "pad": "new age, warm, polysynth, space voice, bowed glass, metallic, halo, sweep",
    "effects": "rain, soundtrack, crystal, atmosphere, brightness, goblins, echoes, science fiction",
    "ethnic": "sitar, banjo, shamisen, koto, kalimba, bagpipe, fiddle, shanai",
    "percussive": "tinkle bell, agogo, steel drums, woodblock, taiko, melodic tom, synth drum, reverse cymbal",
    "sounds": "fret noise, breath noise, seashore, bird, telephone, helicopter, applause, gunshot",
}
INSTRUMENTS = tuple(name for family in FAMILIES.values() for name in family.split(", "))
_PROGRAMS = {name: range(8 * number, 8 * number + 8) for number, name in enumerate(FAMILIES)}
_PROGRAMS |= {name: range(number, number + 1) for number, name in enumerate(INSTRUMENTS)}

RANGES = {  # the lowest and the highest pitch, as it sounds, that players reach
    "grand piano": (21, 108), "bright piano": (21, 108), "electric grand": (21, 108), "honky tonk": (21, 108),
    "harpsichord": (29, 89), "clavinet": (29, 88), "celesta": (60, 108), "glockenspiel": (79, 108),
    "vibraphone": (53, 89), "marimba": (36, 96), "xylophone": (65, 108), "tubular bells": (60, 77),
    "accordion": (53, 93), "harmonica": (60, 96), "nylon guitar": (40, 88), "steel guitar": (40, 88),
    "jazz guitar": (40, 88), "clean guitar": (40, 88), "muted guitar": (40, 88), "overdriven guitar": (40, 88),
    "distortion guitar": (40, 88), "acoustic bass": (28, 67), "finger bass": (28, 67), "pick bass": (28, 67),
    "fretless bass": (28, 67), "slap bass": (28, 67), "slap bass 2": (28, 67), "violin": (55, 103),
    "viola": (48, 91), "cello": (36, 76), "contrabass": (28, 67), "harp": (23, 104), "timpani": (36, 57),
    "choir": (40, 84), "voice": (40, 84), "trumpet": (52, 84), "trombone": (40, 77), "tuba": (26, 65),
    "muted trumpet": (52, 84), "french horn": (35, 77), "soprano sax": (56, 88), "alto sax": (49, 81),
    "tenor sax": (44, 76), "baritone sax": (36, 69), "oboe": (58, 91), "english horn": (52, 81),
    "bassoon": (34, 75), "clarinet": (50, 94), "piccolo": (74, 108), "flute": (59, 98), "recorder": (65, 98),
    "banjo": (48, 86), "bagpipe": (67, 81), "fiddle": (55, 103),
}  # fmt: skip


def programs_of(name: str) -> range:
    """The programs (0..127) that a name stands for: a family ("strings"), an instrument ("violin") or a number ("40").

    Raises MidiIoError for a name that is none of these.
    """
    if name.isascii() and name.isdigit() and int(name) < 128:
        return range(int(name), int(name) + 1)
    wanted = " ".join(name.lower().replace("-", " ").replace("_", " ").split())
    if wanted not in _PROGRAMS:
        families = ", ".join(FAMILIES)
        raise MidiIoError(f"no instrument {name!r}: a family ({families}), one of theirs, or a program from 0 to 127")
    return _PROGRAMS[wanted]


def out_of_range(notes: Sequence[Note]) -> list[str]:
    """A line for each instrument with notes that players cannot reach, by RANGES; no line if all is well."""
    lines = []
    for program, total in Counter(note.program for note in notes if not note.drum).items():
        name = INSTRUMENTS[program]
        low, high = RANGES.get(name, (0, 127))
        if count := sum(note.program == program and not (note.drum or low <= note.pitch <= high) for note in notes):
            span = f"{pitch_name(low)} to {pitch_name(high)}"
            lines.append(f"{name}: {count:,} of {total:,} notes are outside its range, {span}")
    return lines
