"""A solution of exercise 6: of each file what is replaced, and by what.  Only lstm.py and kernels.py change."""

EDITS = [
    (  # the parameter, its shape; it begins at 0, so a fresh network is the one without peepholes
        "lstm.py",
        "    b: Array  # (4H,)\n",
        "    b: Array  # (4H,)\n    p: Array  # (3, H) peepholes: how much the gates i, f and o see of their cell\n",
    ),
    ("lstm.py", '"b": (4 * H,)}', '"b": (4 * H,), "p": (3, H)}'),
    (  # forward: sigmoid(z) = (1 + tanh(z/2)) / 2, and the three z are halved already
        "lstm.py",
        "        np.tanh(gates[t], out=gates[t])\n        kernels.cell_forward(gates[t], c[t], masks.m, c[t + 1])\n",
        "        gates[t, :, :H] += weights.p[0] * c[t] / 2\n"
        "        gates[t, :, H : 2 * H] += weights.p[1] * c[t] / 2\n"
        "        z_o = gates[t, :, 2 * H : 3 * H].copy()\n"
        "        np.tanh(gates[t], out=gates[t])\n"
        "        kernels.cell_forward(gates[t], c[t], masks.m, c[t + 1])\n"
        "        gates[t, :, 2 * H : 3 * H] = (1 + np.tanh(z_o + weights.p[2] * c[t + 1] / 2)) / 2\n",
    ),
    (  # backward, one step
        "kernels.py",
        "tanh_c: Array, m: Array, s: Array, r: Array,\n    dh: Array",
        "tanh_c: Array, p: Array, m: Array, s: Array, r: Array,\n    dh: Array",
    ),
    (  # the output gate saw c[t+1]: dz_o has to be known before dc is complete
        "kernels.py",
        "            d_update[k] = m[n, k] * dc[n, k]  # (14)\n",
        "            dc[n, k] += p[2, k] * d_shown[k] * tanh_c[n, k] * o * (one - o)\n"
        "            d_update[k] = m[n, k] * dc[n, k]  # (14)\n",
    ),
    (  # the gates i and f saw c[t]
        "kernels.py",
        "            dz[n, 3 * H + k] = d_update[k] * i * (one - g * g)\n",
        "            dz[n, 3 * H + k] = d_update[k] * i * (one - g * g)\n"
        "            dc_prev[n, k] += p[0, k] * dz[n, k] + p[1, k] * dz[n, H + k]\n",
    ),
    ("lstm.py", "trace.tanh_c[t], masks.m,", "trace.tanh_c[t], weights.p, masks.m,"),
    (  # the parameter's own gradient: a sum over all steps
        "lstm.py",
        "    return trace._replace(dz=dz, dh=dh, dc=dc), LSTMWeights(dWh, db)\n",
        "    dz_i, dz_f, dz_o, _ = np.split(dz, 4, axis=2)\n"
        "    seen = ((dz_i, trace.c[:T]), (dz_f, trace.c[:T]), (dz_o, trace.c[1:]))\n"
        "    dp = np.stack([(d * c).sum(axis=(0, 1)) for d, c in seen])\n"
        "    return trace._replace(dz=dz, dh=dh, dc=dc), LSTMWeights(dWh, db, dp)\n",
    ),
]
