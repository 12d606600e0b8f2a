"""A plain textbook LSTM and the network around it, to compare with.  One sequence at a time, one gate at a time.

It shares no code with lstm_numpy: four matrices for the input, four for the hidden state, and the sigmoid as it stands
in every book.  It is slow, and small enough to be believed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def four(array: Array) -> tuple[Array, Array, Array, Array]:
    """The parts of the gates i, f, o and g."""
    H = array.shape[-1] // 4
    return array[..., :H], array[..., H : 2 * H], array[..., 2 * H : 3 * H], array[..., 3 * H :]


def lstm(
    x: Array, Wx: Array, Wh: Array, b: Array, h0: Array, c0: Array,
    m: Any = 1.0, s: Any = 1.0, r: Any = 1.0, push_h: Any = None, push_c: Any = None,
) -> dict[str, Array]:  # fmt: skip
    """One sequence x (T, D) through one layer; everything that it computes, by name, with a row for each step.

    m, s and r are masks on the cell, on the hidden state and on its way to the next step.  push_h and push_c (T+1, H)
    are added to h and c as soon as those are known: this is how a test finds d loss / d h[t] and d loss / d c[t].
    """
    (Wi, Wf, Wo, Wg), (Ui, Uf, Uo, Ug), (bi, bf, bo, bg) = four(Wx), four(Wh), four(b)
    push_h = np.zeros((len(x) + 1, len(h0))) if push_h is None else push_h
    push_c = np.zeros((len(x) + 1, len(h0))) if push_c is None else push_c
    h, c = h0 + push_h[0], c0 + push_c[0]
    rows: dict[str, list[Array]] = {name: [] for name in ("i", "f", "o", "g", "tanh_c", "h", "c")}
    rows["h"].append(h)
    rows["c"].append(c)
    for t in range(len(x)):
        seen = r * h
        i = sigmoid(x[t] @ Wi + seen @ Ui + bi)
        f = sigmoid(x[t] @ Wf + seen @ Uf + bf)
        o = sigmoid(x[t] @ Wo + seen @ Uo + bo)
        g = np.tanh(x[t] @ Wg + seen @ Ug + bg)
        c = m * (f * c + i * g) + push_c[t + 1]
        tanh_c = np.tanh(c)
        h = s * (o * tanh_c) + push_h[t + 1]
        for name, row in zip(rows, (i, f, o, g, tanh_c, h, c), strict=True):
            rows[name].append(row)
    return {name: np.array(values) for name, values in rows.items()}


def network(
    params: dict[str, Array], ids: Array, targets: Array, state: Any = None, masks: Any = None, context: Any = None
) -> tuple[float, Array, dict[str, Array]]:
    """The mean of -ln p(target) over scored targets; logits (T, B, V); and each layer's last "lstm1.h", ... (B, H)."""
    T, B = ids.shape
    V, masks = len(params["dense.b"]), masks or {}
    layers = sum(name.endswith(".Wh") for name in params)
    logits, nats = np.zeros((T, B, V)), []
    last: dict[str, list[Array]] = {}
    for n in range(B):
        one_hot = params["lstm1.Wx"].shape[0] == V
        x = np.array([np.eye(V)[k] if one_hot else np.array([k / V]) for k in ids[:, n]])
        features = [] if context is None else [params[f"lstm1.Wx{k + 1}"] for k in range(context.shape[2])]
        for k, W in enumerate(features):
            x = np.concatenate([x, np.eye(len(W))[context[:, n, k]]], axis=1)
        for layer in range(1, layers + 1):
            Wx, Wh, b = (params[f"lstm{layer}.{name}"] for name in ("Wx", "Wh", "b"))
            Wx = np.concatenate([Wx, *features]) if layer == 1 else Wx
            zero = np.zeros(len(Wh))
            h0, c0 = (state[f"lstm{layer}"][k][n] if state else zero for k in (0, 1))
            m, s, r = (masks[f"lstm{layer}.{name}"][n] if f"lstm{layer}.{name}" in masks else 1.0 for name in "msr")
            rows = lstm(x, Wx, Wh, b, h0, c0, m, s, r)
            x = rows["h"][1:]
            for name in ("h", "c"):
                last.setdefault(f"lstm{layer}.{name}", []).append(rows[name][-1])
            if f"lstm{layer}.output" in masks:
                x = x * masks[f"lstm{layer}.output"][:, n]
        for t in range(T):
            logits[t, n] = x[t] @ params["dense.W"] + params["dense.b"]
            if targets[t, n] >= 0:
                p = np.exp(logits[t, n]) / np.exp(logits[t, n]).sum()
                nats.append(-np.log(p[targets[t, n]]))
    return sum(nats) / max(len(nats), 1), logits, {name: np.array(rows) for name, rows in last.items()}
