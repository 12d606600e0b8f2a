"""What is done with gradients: clipping, and RMSprop."""

import math
from collections.abc import Mapping

import numpy as np

from lstm_numpy import kernels
from lstm_numpy.speed.buffers import Array


def clip_by_global_norm(grads: Mapping[str, Array], limit: float) -> float:
    """Scale all gradients, in place, so that their common norm is at most `limit`; return the norm before.

    The direction stays (Pascanu et al. 2013).  (20)  A norm that is not finite is returned, and nothing is scaled.
    """
    norm = math.sqrt(sum(float(np.vdot(gradient, gradient)) for gradient in grads.values()))
    if limit < norm < math.inf:
        for gradient in grads.values():
            gradient *= gradient.dtype.type(limit / norm)
    return norm


class RMSprop:
    """Divides each entry of a gradient by a running root mean square of its past (Hinton's lecture 6e).  (21)

        average = decay * average + (1 - decay) * gradient^2
        parameter -= learning_rate * gradient / (sqrt(average) + epsilon)

    epsilon stands outside of the root, as in PyTorch; Keras puts it inside.  Averages begin at 0, without correction.
    """

    def __init__(
        self, params: Mapping[str, Array], learning_rate: float = 1e-3, decay: float = 0.9, epsilon: float = 1e-7
    ) -> None:
        self.learning_rate, self.decay, self.epsilon = learning_rate, decay, epsilon
        self.averages = {name: np.zeros_like(parameter) for name, parameter in params.items()}

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Move every parameter, in place, against its gradient.  ValueError for one that is not C-contiguous."""
        for name, parameter in params.items():
            if not parameter.flags.c_contiguous:
                raise ValueError(f"{name} is not C-contiguous; take np.ascontiguousarray of it")
            number = parameter.dtype.type
            kernels.rmsprop_update(
                parameter.reshape(-1), grads[name].reshape(-1), self.averages[name].reshape(-1),
                number(self.learning_rate), number(self.decay), number(self.epsilon),
            )  # fmt: skip

    def state(self) -> dict[str, Array]:
        """All that it remembers, as arrays by name, for a checkpoint.  (The learning rate belongs to the caller.)"""
        return self.averages

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from what state() was.  ValueError where it belongs to other parameters."""
        wanted = {name: (array.shape, array.dtype) for name, array in self.averages.items()}
        if {name: (array.shape, array.dtype) for name, array in state.items()} != wanted:
            raise ValueError("the optimizer's state does not belong to these weights")
        if any((array < 0).any() for array in state.values()):
            raise ValueError("an average of squares cannot be negative")
        self.averages = {name: state[name] for name in wanted}


def cosine(progress: float) -> float:
    """From 1 at progress 0 to 0 at progress 1, along half a cosine (Loshchilov and Hutter 2017, without restarts)."""
    return (1 + math.cos(math.pi * min(progress, 1.0))) / 2
