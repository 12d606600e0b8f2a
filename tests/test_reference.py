"""The forward pass is an LSTM: what a plain textbook one computes, for every kind of network."""

from __future__ import annotations

import numpy as np
import pytest
import reference

from lstm_numpy import forward, loss_and_gradients
from lstm_numpy.gradcheck.checks import CASES, Case, build
from lstm_numpy.gradcheck.numeric import numeric_gradient
from lstm_numpy.model import token_nats

pytestmark = [pytest.mark.math, pytest.mark.pinned]

cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@cases
def test_the_network_is_the_textbooks(case: Case) -> None:
    _, params, ids, targets, state, masks, context = build(case)
    loss, _, last, trace = loss_and_gradients(params, ids, targets, state, masks, context=context)
    wanted_loss, wanted_logits, wanted_last = reference.network(params, ids, targets, state, masks, context)
    assert loss == pytest.approx(wanted_loss, abs=1e-13)
    np.testing.assert_allclose(trace["loss"].logits, wanted_logits, rtol=0, atol=1e-13)
    for name, (h, c) in last.items():
        np.testing.assert_allclose(h, wanted_last[f"{name}.h"], rtol=0, atol=1e-13)
        np.testing.assert_allclose(c, wanted_last[f"{name}.c"], rtol=0, atol=1e-13)


@cases
def test_evaluation_is_the_textbooks_network_without_dropout(case: Case) -> None:
    _, params, ids, targets, state, _, context = build(case)
    wanted_loss, wanted_logits, _ = reference.network(params, ids, targets, state, None, context)
    np.testing.assert_allclose(forward(params, ids, state, context=context)[0], wanted_logits, rtol=0, atol=1e-13)
    nats, correct, _ = token_nats(params, ids, targets, state, context=context)
    assert nats.sum() == pytest.approx(wanted_loss * (targets >= 0).sum(), abs=1e-12)
    np.testing.assert_array_equal(correct, wanted_logits.argmax(axis=2) == targets)


def test_every_intermediate_has_the_value_that_its_name_says() -> None:
    _, params, ids, targets, state, masks, _ = build(Case(free_masks=True, carried=True))
    _, _, _, trace = loss_and_gradients(params, ids, targets, state, masks)
    step, m, s, r = trace["lstm1"], *(masks[f"lstm1.{name}"] for name in "msr")
    for n in range(ids.shape[1]):
        x = np.eye(len(params["dense.b"]))[ids[:, n]]
        weights = (params[f"lstm1.{name}"] for name in ("Wx", "Wh", "b"))
        rows = reference.lstm(x, *weights, state["lstm1"].h[n], state["lstm1"].c[n], m[n], s[n], r[n])
        for name, wanted in rows.items():
            np.testing.assert_allclose(getattr(step, name)[:, n], wanted, rtol=0, atol=1e-14, err_msg=name)
        np.testing.assert_allclose(step.rh[:, n], r[n] * rows["h"], rtol=0, atol=1e-14)
    np.testing.assert_array_equal(step.gates, np.concatenate([step.i, step.f, step.o, step.g], axis=2))


def test_dh_and_dc_are_what_the_loss_does_when_h_and_c_are_pushed_at_any_step() -> None:
    _, params, ids, targets, state, masks, _ = build(Case(free_masks=True, carried=True))
    _, _, _, trace = loss_and_gradients(params, ids, targets, state, masks)
    step, T = trace["lstm1"], len(ids)
    for n in range(ids.shape[1]):
        weights = [params[f"lstm1.{name}"] for name in ("Wx", "Wh", "b")]
        x = np.eye(len(params["dense.b"]))[ids[:, n]]
        push_h, push_c = np.zeros((2, *step.h[:, n].shape))

        def loss(n: int = n, x=x, weights=weights, push_h=push_h, push_c=push_c) -> float:
            its_masks = [masks[f"lstm1.{name}"][n] for name in "msr"]
            first = state["lstm1"].h[n], state["lstm1"].c[n]
            h = reference.lstm(x, *weights, *first, *its_masks, push_h, push_c)["h"][1:]
            logits = h @ params["dense.W"] + params["dense.b"]
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            return float(-np.log(p[np.arange(T), targets[:, n]]).sum() / targets.size)

        np.testing.assert_allclose(step.dh[:, n], numeric_gradient(loss, push_h), rtol=0, atol=1e-12)
        np.testing.assert_allclose(step.dc[:, n], numeric_gradient(loss, push_c), rtol=0, atol=1e-12)
