"""Mistakes that people make in an LSTM by hand, to be planted in a copy of this package: the checker must find each.

Do not read on if you want to hunt them: `python -m lstm_numpy.gradcheck --bug 1` shows what a mistake does to the
table, and `--answer` tells.  The easier ones come first.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple


class Bug(NamedTuple):
    """One mistake: in `file`, the text `right`, which stands there once, becomes `wrong`."""

    file: str
    right: str
    wrong: str
    why: str
    first: str  # the checker's first wrong line,
    case: str = "1 layer"  # in this case of checks.CHECKS


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
    Bug("kernels.py", "dz[n, k] = d_update[k] * g * i * (one - i)", "dz[n, k] = d_update[k] * g",
        "the derivative of the sigmoid, i (1 - i), is missing (14)", "lstm1.dz[3] gate i"),
    Bug("kernels.py", "d_update[k] * i * (one - g * g)", "d_update[k] * i * (one - g)",
        "the derivative of tanh is 1 - g^2, not 1 - g (14)", "lstm1.dz[3] gate g"),
    Bug("kernels.py", "dz[n, 2 * H + k] = d_shown[k] * tanh_c[n, k] * o * (one - o)",
        "dz[n, 2 * H + k] = dc[n, k] * tanh_c[n, k] * o * (one - o)",
        "the output gate is learned from the cell's gradient; it stands after the cell, so it needs that of h (14)",
        "lstm1.dz[3] gate o"),
    Bug("kernels.py", "d_shown[k] * o * (one - tanh_c[n, k] * tanh_c[n, k])", "d_shown[k] * o",
        "the tanh between the cell and h is forgotten on the way back (13)", "lstm1.dz[3] gate i"),
    Bug("kernels.py", "d_shown[k] * o * (one - tanh_c[n, k] * tanh_c[n, k])",
        "d_shown[k] * o * (one + tanh_c[n, k] * tanh_c[n, k])",
        "a sign: the derivative of tanh is 1 minus its square (13)", "lstm1.dz[3] gate i"),
    Bug("kernels.py", "d_update[k] * c_prev[n, k] * f * (one - f)", "d_update[k] * g * f * (one - f)",
        "the forget gate multiplies c_prev, so c_prev is its factor; g belongs to the input gate (14)",
        "lstm1.dz[3] gate f"),
    Bug("kernels.py", "f, o = gates[n, H + k], gates[n, 2 * H + k]", "o, f = gates[n, H + k], gates[n, 2 * H + k]",
        "backward reads the gates in the order o, f; forward wrote f, o", "lstm1.dz[3] gate i"),
    # From step to step.
    Bug("kernels.py", "dh[n, k] = dy[n, k] + r[n, k] * d_rh[n, k]", "dh[n, k] = dy[n, k]",
        "h is also what the next step's gates see, and that part of its gradient is forgotten (11)",
        "lstm1.dz[2] gate i"),
    Bug("kernels.py", "dh[n, k] = dy[n, k] + r[n, k] * d_rh[n, k]", "dh[n, k] = dy[n, k] - r[n, k] * d_rh[n, k]",
        "a sign: the two ways by which h reaches the loss are added (11)", "lstm1.dz[2] gate i"),
    Bug("kernels.py", "dc[n, k] += d_shown[k]", "dc[n, k] = d_shown[k]",
        "what the next step's cell sent back is overwritten: the cell forgets its own way through time (13)",
        "lstm1.dz[2] gate i"),
    Bug("kernels.py", "dc_prev[n, k] = d_update[k] * f", "dc_prev[n, k] = d_update[k]",
        "the gradient of the cell is not multiplied by the forget gate on its way to the step before (15)",
        "lstm1.dz[2] gate i"),
    Bug("kernels.py", "dc_prev[n, k] = d_update[k] * f", "dc_prev[n, k] = d_update[k] * o",
        "a swapped gate: what carries the cell from step to step is f, not o (15)", "lstm1.dz[2] gate i"),
    Bug("lstm.py", "in_blocks(Wh.T, ", "in_blocks(Wh.reshape(4 * H, H), ",
        "a reshape gives the transpose's shape, but not its order (16)", "lstm1.dz[2] gate i"),
    Bug("lstm.py", "dy[t], d_rh, gates[t], c[t], tanh_c[t]", "dy[t], d_rh, gates[t], c[t + 1], tanh_c[t]",
        "one step off: the forget gate of step t multiplied c[t], the cell before the step; c[t+1] is the one after it",
        "lstm1.dz[3] gate f"),
    # The products after the loop.
    Bug("lstm.py", "rh[:T].reshape", "rh[1:].reshape",
        "one step off: the gates of step t saw h[t], the hidden state before the step (17)", "lstm1.Wh"),
    Bug("lstm.py", "kernels.sum_of_rows(flat_dz, db)", "kernels.sum_of_rows(flat_dz / len(flat_dz), db)",
        "a mean for a sum: the loss has its mean already, in dlogits (17)", "lstm1.b"),
    Bug("lstm.py", "kernels.sum_of_rows(flat_dz, db)", "kernels.sum_of_rows(flat_dz[: 2 * B], db)",
        "the bias is summed over the first two steps alone, not over all of them (17)", "lstm1.b"),
    Bug("kernels.py", "dW[row, k] += dz[n, k]", "dW[row, k] = dz[n, k]",
        "a token that stands more than once in the batch keeps the gradient of its last place alone (18)",
        "lstm1.Wx"),
    # The loss and the dense layer.
    Bug("kernels.py", "dlogits[n, target] -= share", "dlogits[n, target] -= 1",
        "the 1 of the target is not divided by the number of scored targets, as the probabilities are (10)",
        "loss.dlogits"),
    Bug("kernels.py", "dlogits[n, v] = p[n, v] * share", "dlogits[n, v] = p[n, v] * (1 - p[n, v]) * share",
        "the derivative of the softmax is in p - onehot already: here it is taken a second time (10)",
        "loss.dlogits"),
    Bug("kernels.py", "for v in range(p.shape[1]):\n                dlogits[n, v] = 0",
        "for v in range(p.shape[1]):\n                dlogits[n, v] = p[n, v] * share",
        "what is not scored, the padding behind a song, teaches the network all the same (10)",
        "loss.dlogits", "2 layers, dropout, 3 targets not scored"),
    Bug("layers.py", "dtype.type(1 / max(scored, 1))", "dtype.type(1 / (T * B))",
        "the mean is over the scored targets, not over all places of the batch (10)",
        "loss.dlogits", "2 layers, dropout, 3 targets not scored"),
    Bug("layers.py", "kernels.sum_of_rows(dlogits, db)", "kernels.sum_of_rows(dlogits / len(dlogits), db)",
        "a mean for a sum, in the bias of the dense layer (19)", "dense.b"),
    Bug("model.py", 'dy, grads[f"{name}.Wx"] = layers.linear_backward',
        '_, grads[f"{name}.Wx"] = layers.linear_backward',
        "the gradient of a layer's input is thrown away, and the layer below is given the one meant for this layer",
        "lstm2.input.dx", "2 layers, dropout, 3 targets not scored"),
    # Forward is changed, and backward is not.
    Bug("kernels.py", "x[k] = one / (one + (p + p * m))", "x[k] = (one - (p + p * m)) / (one + (p + p * m))",
        "the gates are tanh(z/2), which goes from -1 to 1; a sigmoid goes from 0 to 1 (2)", "lstm1.dz[3] gate i"),
    Bug("kernels.py", "for k in range(4 * H):\n            z[n, k] += b[k]",
        "for k in range(3 * H):\n            z[n, k] += b[k]",
        "g has lost its bias: nothing that b does to it reaches the loss (1)", "lstm1.b"),
    # The state.
    Bug("lstm.py", "h[0], c[0] = state", "h[0], c[0] = state.h, 0",
        "the cell that is carried in is not used: every window begins with an empty one", "lstm1.dc[0]"),
    Bug("model.py", "each_array(stack.state(T), np.copy)", "each_array(stack.state(T - 1), np.copy)",
        "a stale state: what is carried out is the state before the last step",
        "lstm2.h carried", "one sequence in two windows"),
    # Dropout.
    Bug("model.py", "dy = layers.dropout_backward(dy, layer.output_mask, room)", "dy = dy.copy()",
        "the mask is left out of the backward pass: dropped units learn, though they did nothing (7)",
        "lstm2.dz[3] gate i", "2 layers, dropout, 3 targets not scored"),
    Bug("layers.py", "np.multiply(dy, mask, out", "np.multiply(dy, mask > 0, out",
        "kept units are scaled by 1/keep on the way forward, so their gradients are, too (7)",
        "lstm2.dz[3] gate i", "2 layers, dropout, 3 targets not scored"),
    Bug("kernels.py", "d_update[k] = m[n, k] * dc[n, k]", "d_update[k] = dc[n, k]",
        "RnnDrop's mask on the cell is left out of the backward pass (14)",
        "lstm1.dz[3] gate i", "masks m, s, r of any numbers"),
    Bug("kernels.py", "d_shown[k] = s[n, k] * dh[n, k]", "d_shown[k] = dh[n, k]",
        "RnnDrop's 1/keep on h is left out of the backward pass (12)", "lstm2.dz[3] gate i", "rnndrop, 2 layers"),
    Bug("kernels.py", "c[n, k] = m[n, k] * (f * c_prev[n, k] + i * g)",
        "c[n, k] = f * c_prev[n, k] + m[n, k] * i * g",
        "forward drops the update of the cell alone, backward drops the whole cell (4)",
        "lstm1.dz[3] gate f", "masks m, s, r of any numbers"),
    Bug("lstm.py", "trace.tanh_c, trace.rh, dh", "trace.tanh_c, trace.h, dh",
        "the gates saw r * h, h with its mask, so that is what stands in the gradient of Wh (17)",
        "lstm2.Wh", "scalar input, 2 layers, variational dropout"),
    Bug("lstm.py", "np.multiply(masks.r, d_rh, dh[0])", "np.multiply(1, d_rh, dh[0])",
        "the gradient of the initial state does not pass the mask through which the state went (11)",
        "lstm2.dh[0]", "scalar input, 2 layers, variational dropout"),
    # Threads.
    Bug("model.py", "layers.cross_entropy_backward(loss, targets, scored, buffers",
        "layers.cross_entropy_backward(loss, targets, int((targets >= 0).sum()), buffers",
        "each thread divides by the targets that it scored itself, not by those of the whole batch",
        "loss.dlogits", "3 sequences in 2 threads, 4 targets not scored"),
    Bug("speed/ranks.py", "total[name] += array", "total[name] = (total[name] + array) / 2",
        "the gradient of a batch is the sum over its parts; each has been divided by all that is scored already",
        "dense.b", "3 sequences in 2 threads, 4 targets not scored"),
    # What is done with the gradients.
    Bug("optimizer.py", "gradient *= gradient.dtype.type(limit / norm)",
        "gradient *= min(1.0, limit / float(np.linalg.norm(gradient)))",
        "each array is clipped by its own norm, so the direction of the whole gradient changes (20)",
        "lstm1.Wx clipped", "clipping"),
    Bug("kernels.py", "(one - decay) * dp[n] * dp[n]", "dp[n] * dp[n]",
        "the running average counts new squares in full: it is no average any more (21)",
        "average of lstm1.Wh", "RMSprop"),
    Bug("kernels.py", "(np.sqrt(average[n]) + epsilon)", "np.sqrt(average[n] + epsilon)",
        "epsilon has slipped into the root, which makes it far larger: sqrt(1e-7) is 3e-4 (21)",
        "lstm1.Wh after 3 steps", "RMSprop"),
    # Features beside the token.
    Bug("kernels.py", "dW, row = dWs[j], x[n, j]", "dW, row = dWs[j], min(x[n, j] + j, dWs[j].shape[0] - 1)",
        "the rows of a feature are counted from the wrong place: its gradients go to the rows of other values (24)",
        "lstm1.Wx3", "features beside the token, 2 threads"),
    Bug("kernels.py", "for j in range(len(dWs)):", "for j in range(max(1, len(dWs) - 1)):",
        "the last feature is forgotten on the way back: its rows never learn (24)",
        "lstm1.Wx3", "features beside the token, 2 threads"),
)
# fmt: on
