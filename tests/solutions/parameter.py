"""A solution of exercise 6: of each file what is replaced, and by what.  Only lstm.py and kernels.py change."""

EDITS = [
    (  # the parameter, its shape; it begins at 0, so a fresh network is the one without peepholes
        "lstm.py",
        "    b: Array  # (4H,)\n",
        "    b: Array  # (4H,)\n    p: Array  # (3, H) peepholes: how much the gates i, f and o see of their cell\n",
    ),
    ("lstm.py", '"b": (4 * H,)}', '"b": (4 * H,), "p": (3, H)}'),
    (  # forward, one step
        "kernels.py",
        "z: Array, b: Array, c_prev: Array, m: Array, s: Array, r: Array, "
        "c: Array, tanh_c: Array, h: Array, rh: Array\n",
        "z: Array, b: Array, p: Array, c_prev: Array, m: Array, s: Array, r: Array,\n"
        "    c: Array, tanh_c: Array, h: Array, rh: Array,\n",
    ),
    (  # the gates i and f see c[t]; the output gate waits
        "kernels.py",
        "        sigmoid(z[n, : 3 * H])  # i, f, o (2)\n",
        "        for k in range(H):\n"
        "            z[n, k] += p[0, k] * c_prev[n, k]\n"
        "            z[n, H + k] += p[1, k] * c_prev[n, k]\n"
        "        sigmoid(z[n, : 2 * H])\n",
    ),
    (  # the output gate sees c[t+1]
        "kernels.py",
        "            tanh_c[n, k] = c[n, k]\n",
        "            tanh_c[n, k] = c[n, k]\n"
        "            z[n, 2 * H + k] += p[2, k] * c[n, k]\n"
        "        sigmoid(z[n, 2 * H : 3 * H])\n",
    ),
    ("lstm.py", "gates[t], weights.b, c[t], masks.m,", "gates[t], weights.b, weights.p, c[t], masks.m,"),
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
    ("lstm.py", "d_rh, gates[t], c[t], tanh_c[t], masks.m,", "d_rh, gates[t], c[t], tanh_c[t], p, masks.m,"),
    ("lstm.py", "    dy: Array, WhT: Array, masks", "    dy: Array, WhT: Array, p: Array, masks"),
    ("lstm.py", "_steps_backward(dy, WhT, masks", "_steps_backward(dy, WhT, weights.p, masks"),
    (  # the parameter's own gradient: a sum over all steps
        "lstm.py",
        "    return trace._replace(dz=dz, dh=dh, dc=dc), LSTMWeights(dWh, db)\n",
        "    dz_i, dz_f, dz_o, _ = np.split(dz, 4, axis=2)\n"
        "    seen = ((dz_i, trace.c[:T]), (dz_f, trace.c[:T]), (dz_o, trace.c[1:]))\n"
        "    dp = np.stack([(d * c).sum(axis=(0, 1)) for d, c in seen])\n"
        "    return trace._replace(dz=dz, dh=dh, dc=dc), LSTMWeights(dWh, db, dp)\n",
    ),
]
