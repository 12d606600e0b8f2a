"""What if a unit were silent, or forgot nothing?  The network with one thing changed writes the same seed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from experiment.listening import Finding
from lstm_numpy.files import Array
from lstm_numpy.parameters import layer_names

Arrays = dict[str, Array]

ECHO = ("echo", "run", "ago")  # the features that speak of it
HELD = 100.0  # the bias of a gate that is held


def changes(
    params: Mapping[str, Array], found: Sequence[Finding], features: Sequence[str] = ()
) -> Iterator[tuple[str, Arrays]]:
    """What is changed, in words, and the changed parameters.

    The echo is taken away, if the network has one; two units are silent; a forget gate is held open and shut.
    features: the names of what the network is told beside its tokens.
    """
    if "echo" in features:
        yield "without the echo", without_echo(params, features)
    seen = list({finding.unit: finding for finding in found}.values())[:2]
    for finding in seen:
        yield f'unit {finding.unit} ("{finding.name}") silent', silenced(params, finding.unit)
    for finding in seen[:1]:
        gate = f'the forget gate of unit {finding.unit} ("{finding.name}") held'
        yield f"{gate} open: it forgets nothing", forget_gate_held(params, finding.unit, HELD)
        yield f"{gate} shut: it keeps nothing", forget_gate_held(params, finding.unit, -HELD)


def without_echo(params: Mapping[str, Array], features: Sequence[str]) -> Arrays:
    """The echo is always silent: every row of its features is row 0, which stands for no echo."""
    changed, first = dict(params), layer_names(params)[0]
    for number, name in enumerate(features, start=1):
        if name in ECHO:
            rows = params[f"{first}.Wx{number}"]
            changed[f"{first}.Wx{number}"] = np.repeat(rows[:1], len(rows), axis=0)
    return changed


def silenced(params: Mapping[str, Array], unit: int) -> Arrays:
    """Nothing reads the unit of the last layer any more: its rows of Wh and of dense.W are 0."""
    changed = dict(params)
    for name in (f"{layer_names(params)[-1]}.Wh", "dense.W"):
        changed[name] = params[name].copy()
        changed[name][unit] = 0
    return changed


def forget_gate_held(params: Mapping[str, Array], unit: int, bias: float) -> Arrays:
    """The bias alone decides the unit's forget gate in the last layer: all that is added to it is far smaller."""
    name = layer_names(params)[-1]
    b = params[f"{name}.b"].copy()
    b[len(params[f"{name}.Wh"]) + unit] = bias  # gates stand in the order i, f, o, g
    return {**params, f"{name}.b": b}
