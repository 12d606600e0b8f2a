"""The machine code of the recurrence takes numbers side by side, of one dtype: other arrays are refused."""

import numpy as np
import pytest

from lstm_numpy.lstm import LSTMState, LSTMWeights, RecurrentMasks, lstm_forward
from lstm_numpy.speed.buffers import Buffers


@pytest.mark.parametrize("change", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=2)[..., ::2], np.float32])
def test_an_input_of_another_layout_or_dtype_is_refused(change) -> None:
    T, B, H = 3, 2, 5
    rng = np.random.default_rng(0)
    weights, one = LSTMWeights(rng.normal(size=(H, 4 * H)), np.zeros(4 * H)), np.ones((B, H))
    xWx, state = rng.normal(size=(T, B, 4 * H)), LSTMState(0 * one, 0 * one)
    with pytest.raises(ValueError, match="xWx must be C-contiguous and float64"):
        lstm_forward(change(xWx), weights, state, RecurrentMasks(one, one, one), Buffers())
