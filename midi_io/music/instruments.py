"""The instruments of General MIDI by name: 16 families of 8 programs."""

from midi_io.disk import MidiIoError

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
