"""MIDI files written byte by byte, for tests that show the file they read."""

from __future__ import annotations

import struct

END = "00 ff 2f 00"


def track(events: str, length: int | None = None) -> bytes:
    """A track chunk of events in hexadecimal, with an end-of-track event to be written by the caller."""
    data = bytes.fromhex(events)
    return b"MTrk" + struct.pack(">L", len(data) if length is None else length) + data


def midi(*tracks: bytes, format_: int = 1, count: int | None = None, division: int = 0x60) -> bytes:
    """A file of tracks; 96 ticks per beat, so that a delta time of one beat is the byte 60."""
    return (
        b"MThd" + struct.pack(">LHHH", 6, format_, len(tracks) if count is None else count, division) + b"".join(tracks)
    )
