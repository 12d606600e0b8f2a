"""Mistakes that people make in an LSTM by hand, to be planted in a copy of this package: the checker must find each.

Do not read on if you want to hunt them: `python -m lstm_numpy.gradcheck --bug 1` shows what a mistake does to the
table, and `--answer` tells.  The easier ones come first.
"""

import shutil
from pathlib import Path
from typing import NamedTuple


class Bug(NamedTuple):
    """One mistake: in `file`, the text `right`, which stands there once, on one line, becomes `wrong`."""

    file: str
    right: str
    wrong: str
    why: str


def plant(bug: Bug, folder: Path) -> None:
    """Copy the package to folder/lstm_numpy, with the bug in it.  Raises ValueError where its text does not stand."""
    copy = folder / "lstm_numpy"
    shutil.copytree(Path(__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / bug.file).read_text(encoding="utf-8")
    if text.count(bug.right) != 1:
        raise ValueError(f"{bug.file} has been changed where this bug would be planted")
    (copy / bug.file).write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")


# fmt: off
BUGS = (
    # One line of the backward pass.
    Bug("kernels.py", "d_update[k] * g * i * (one - i)", "d_update[k] * g",
        "the derivative of the sigmoid, i (1 - i), is missing (14)"),
    Bug("kernels.py", "d_update[k] * i * (one - g * g)", "d_update[k] * i * (one - g)",
        "the derivative of tanh is 1 - g^2, not 1 - g (14)"),
    Bug("kernels.py", "d_shown[k] * tanh_c[n, k] * o", "dc[n, k] * tanh_c[n, k] * o",
        "the output gate is learned from the cell's gradient; it stands after the cell, so it needs that of h (14)"),
    Bug("kernels.py", "o * (one - tanh_c[n, k] * tanh_c[n, k])", "o",
        "the tanh between the cell and h is forgotten on the way back (13)"),
    Bug("kernels.py", "(one - tanh_c[n, k] * tanh_c[n, k])", "(one + tanh_c[n, k] * tanh_c[n, k])",
        "a sign: the derivative of tanh is 1 minus its square (13)"),
    Bug("kernels.py", "d_update[k] * c_prev[n, k] * f", "d_update[k] * g * f",
        "the forget gate multiplies c_prev, so c_prev is its factor; g belongs to the input gate (14)"),
    Bug("kernels.py", "f, o = gates[n, H + k]", "o, f = gates[n, H + k]",
        "backward reads the gates in the order o, f; forward wrote f, o"),
    # From step to step.
    Bug("kernels.py", "dy[n, k] + r[n, k] * d_rh[n, k]", "dy[n, k]",
        "h is also what the next step's gates see, and that part of its gradient is forgotten (11)"),
    Bug("kernels.py", "dy[n, k] + r[n, k] * d_rh[n, k]", "dy[n, k] - r[n, k] * d_rh[n, k]",
        "a sign: the two ways by which h reaches the loss are added (11)"),
    Bug("kernels.py", "dc[n, k] += d_shown[k]", "dc[n, k] = d_shown[k]",
        "what the next step's cell sent back is overwritten: the cell forgets its own way through time (13)"),
    Bug("kernels.py", "dc_prev[n, k] = d_update[k] * f", "dc_prev[n, k] = d_update[k]",
        "the gradient of the cell is not multiplied by the forget gate on its way to the step before (15)"),
    Bug("kernels.py", "dc_prev[n, k] = d_update[k] * f", "dc_prev[n, k] = d_update[k] * o",
        "a swapped gate: what carries the cell from step to step is f, not o (15)"),
    Bug("lstm.py", "in_blocks(Wh.T, ", "in_blocks(Wh.reshape(4 * H, H), ",
        "a reshape gives the transpose's shape, but not its order (16)"),
    Bug("lstm.py", "gates[t], c[t], tanh_c[t]", "gates[t], c[t + 1], tanh_c[t]",
        "one step off: the forget gate of step t multiplied c[t], the cell before the step; c[t+1] is the one after"),
    # The products after the loop.
    Bug("lstm.py", "rh[:T].reshape", "rh[1:].reshape",
        "one step off: the gates of step t saw h[t], the hidden state before the step (17)"),
    Bug("lstm.py", "sum_of_rows(flat_dz, db)", "sum_of_rows(flat_dz / len(flat_dz), db)",
        "a mean for a sum: the loss has its mean already, in dlogits (17)"),
    Bug("lstm.py", "sum_of_rows(flat_dz, db)", "sum_of_rows(flat_dz[: 2 * B], db)",
        "the bias is summed over the first two steps alone, not over all of them (17)"),
    Bug("kernels.py", "dW[row, k] += dz[n, k]", "dW[row, k] = dz[n, k]",
        "a token that stands more than once in the batch keeps the gradient of its last place alone (18)"),
    # The loss and the dense layer.
    Bug("kernels.py", "dlogits[n, target] -= share", "dlogits[n, target] -= 1",
        "the 1 of the target is not divided by the number of scored targets, as the probabilities are (10)"),
    Bug("kernels.py", "p[n, v] * share", "p[n, v] * (1 - p[n, v]) * share",
        "the derivative of the softmax is in p - onehot already: here it is taken a second time (10)"),
    Bug("kernels.py", "dlogits[n, v] = 0", "dlogits[n, v] = p[n, v] * share",
        "what is not scored, the padding behind a song, teaches the network all the same (10)"),
    Bug("layers.py", "1 / max(scored, 1)", "1 / (T * B)",
        "the mean is over the scored targets, not over all places of the batch (10)"),
    Bug("layers.py", "sum_of_rows(flat_dlogits, db)", "sum_of_rows(flat_dlogits / (T * B), db)",
        "a mean for a sum, in the bias of the dense layer (19)"),
    Bug("model.py", 'dy, grads[f"{name}.Wx"] =', '_, grads[f"{name}.Wx"] =',
        "the gradient of a layer's input is thrown away, and the layer below is given the one meant for this layer"),
    # Forward is changed, and backward is not.
    Bug("kernels.py", "x[k] = one / (one + (p + p * m))", "x[k] = (one - (p + p * m)) / (one + (p + p * m))",
        "the gates are tanh(z/2), which goes from -1 to 1; a sigmoid goes from 0 to 1 (2)"),
    Bug("kernels.py", "for k in range(4 * H):", "for k in range(3 * H):",
        "g has lost its bias: nothing that b does to it reaches the loss (1)"),
    # The state.
    Bug("lstm.py", "h[0], c[0] = state", "h[0], c[0] = state.h, 0",
        "the cell that is carried in is not used: every window begins with an empty one"),
    Bug("model.py", "stack.state(T), np.copy", "stack.state(T - 1), np.copy",
        "a stale state: what is carried out is the state before the last step"),
    # Dropout.
    Bug("model.py", "layers.dropout_backward(dy, layer.output_mask, room)", "dy.copy()",
        "the mask is left out of the backward pass: dropped units learn, though they did nothing (7)"),
    Bug("layers.py", "np.multiply(dy, mask, out", "np.multiply(dy, mask > 0, out",
        "kept units are scaled by 1/keep on the way forward, so their gradients are, too (7)"),
    Bug("kernels.py", "d_update[k] = m[n, k] * dc[n, k]", "d_update[k] = dc[n, k]",
        "RnnDrop's mask on the cell is left out of the backward pass (14)"),
    Bug("kernels.py", "d_shown[k] = s[n, k] * dh[n, k]", "d_shown[k] = dh[n, k]",
        "RnnDrop's 1/keep on h is left out of the backward pass (12)"),
    Bug("kernels.py", "m[n, k] * (f * c_prev[n, k] + i * g)", "f * c_prev[n, k] + m[n, k] * i * g",
        "forward drops the update of the cell alone, backward drops the whole cell (4)"),
    Bug("lstm.py", "trace.tanh_c, trace.rh, dh", "trace.tanh_c, trace.h, dh",
        "the gates saw r * h, h with its mask, so that is what stands in the gradient of Wh (17)"),
    Bug("lstm.py", "masks.r, d_rh, dh[0]", "1, d_rh, dh[0]",
        "the gradient of the initial state does not pass the mask through which the state went (11)"),
    # Threads.
    Bug("model.py", "targets, scored, buffers", "targets, int((targets >= 0).sum()), buffers",
        "each thread divides by the targets that it scored itself, not by those of the whole batch"),
    Bug("speed/ranks.py", "total[name] += array", "total[name] = (total[name] + array) / 2",
        "the gradient of a batch is the sum over its parts; each has been divided by all that is scored already"),
    # What is done with the gradients.
    Bug("optimizer.py", "gradient.dtype.type(limit / norm)", "min(1.0, limit / float(np.linalg.norm(gradient)))",
        "each array is clipped by its own norm, so the direction of the whole gradient changes (20)"),
    Bug("kernels.py", "(one - decay) * dp[n] * dp[n]", "dp[n] * dp[n]",
        "the running average counts new squares in full: it is no average any more (21)"),
    Bug("kernels.py", "(np.sqrt(average[n]) + epsilon)", "np.sqrt(average[n] + epsilon)",
        "epsilon has slipped into the root, which makes it far larger: sqrt(1e-7) is 3e-4 (21)"),
    # Features beside the token.
    Bug("kernels.py", "dW, row = dWs[j], x[n, j]", "dW, row = dWs[j], min(x[n, j] + j, dWs[j].shape[0] - 1)",
        "the rows of a feature are counted from the wrong place: its gradients go to the rows of other values (24)"),
    Bug("kernels.py", "for j in range(len(dWs)):", "for j in range(max(1, len(dWs) - 1)):",
        "the last feature is forgotten on the way back: its rows never learn (24)"),
)
# fmt: on
