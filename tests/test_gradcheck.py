"""Every gradient is right; and the checker would say so if one were not."""

from __future__ import annotations

import functools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lstm_numpy.gradcheck import __main__ as gradcheck
from lstm_numpy.gradcheck import checks as gradient_checks
from lstm_numpy.gradcheck.bugs import BUGS, Bug, plant
from lstm_numpy.gradcheck.checks import CASES, CHECKS, build
from lstm_numpy.gradcheck.numeric import Line, compare, compare_gradient, numeric_gradient

ROOT = Path(__file__).parent.parent


@functools.cache
def lines_of(title: str) -> list[Line]:
    return list(CHECKS[title]())


@pytest.mark.math
@pytest.mark.parametrize("title", CHECKS)
def test_every_gradient_is_right(title: str) -> None:
    lines = lines_of(title)
    assert lines
    assert [line for line in lines if not line.right] == []


@pytest.mark.math
def test_the_checks_cover_every_parameter_state_input_gate_and_step() -> None:
    for layers in (1, 2, 3):
        title = next(title for title, case in CASES.items() if case.network.get("layers", 1) == layers)
        names = [line.name for line in lines_of(title)]
        wanted = {"loss", "loss.dlogits", "dense.W", "dense.b", "dense.input.dx"}
        for k in range(1, layers + 1):
            wanted |= {f"lstm{k}.{part}" for part in ("Wx", "Wh", "b", "dh[0]", "dc[0]", "input.dx")}
            wanted |= {f"lstm{k}.dz[{t}] gate {gate}" for t in range(gradient_checks.T) for gate in "ifog"}
        assert set(names) == wanted
        assert len(names) == len(wanted)


@pytest.mark.math
def test_the_masks_of_the_checks_keep_some_units_and_drop_others() -> None:
    """A mask that is all 0, or all 1/keep, would hide what it does."""
    for case in CASES.values():
        for name, mask in build(case).masks.items():
            assert len(np.unique(mask)) > 1, (case, name)


@pytest.mark.math
def test_five_points_are_exact_for_a_polynomial_of_degree_4() -> None:
    x = np.array([0.5, -1.0, 2.0])
    gradient = numeric_gradient(lambda: float((x**4 + x**2).sum()), x)
    np.testing.assert_allclose(gradient, 4 * x**3 + 2 * x, rtol=1e-11)
    np.testing.assert_array_equal(x, [0.5, -1, 2])  # put back


@pytest.mark.math
def test_a_line_names_the_entry_that_is_farthest_off() -> None:
    numeric = np.zeros((2, 12))
    numeric[0, 0] = 4
    by_hand = numeric.copy()
    by_hand[1, 7] = 0.01
    line = compare("lstm1.Wh", by_hand, numeric, "unit gate")
    assert line == Line("lstm1.Wh", 0.01 / 4, "[1, 7] unit 1, gate o of unit 1", 0.01, 0.0)
    assert not line.right


@pytest.mark.math
def test_what_counts_as_right() -> None:
    assert compare("x", [1.0, 1e-12], [1.0, 0.0]).right  # measured against the largest entry of the array
    assert not compare("x", [1.0, 2e-8], [1.0, 0.0]).right
    assert compare("x", [0.0], [0.0]).right
    assert not compare("x", [0.0], [1e-30]).right
    assert not compare("x", [math.nan], [0.0]).right
    assert not compare("x", [0.0, 1.0], [0.0, math.nan]).right
    with pytest.raises(ValueError, match=r"x has shape \(2,\) by hand, but should have \(1,\)"):
        compare("x", [0.0, 0.0], [0.0])


@pytest.mark.math
def test_a_kink_is_no_mistake_and_a_mistake_beside_a_kink_is_one() -> None:
    x, weights = np.array([0.0005, -0.5, 0.0, -0.0015]), np.array([1.0, 2.0, 3.0, 4.0])

    def loss() -> float:
        return float((np.abs(x) * weights + x**2).sum())

    right = np.sign(x) * weights + 2 * x
    for at_0 in (3.0, -3.0):  # on the kink itself either side is right
        right[2] = at_0
        line = compare_gradient("x", right, loss, x)
        assert line.right
        assert line.kinks == 3
    for wrong in ([-1.0, -3.0, 3.0, -4.003], [1.001, -3.0, 2.5, -4.003], [1.001, -2.9, 3.0, -4.003]):
        assert not compare_gradient("x", np.array(wrong), loss, x).right
    np.testing.assert_array_equal(x, [0.0005, -0.5, 0, -0.0015])
    assert compare_gradient("x", 2 * x, lambda: float((x**2).sum()), x).kinks == 0


# The command.


@pytest.fixture
def _one_small_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_checks, "CHECKS", {"1 layer": CHECKS["1 layer"], "RMSprop": CHECKS["RMSprop"]})


@pytest.mark.usefixtures("_one_small_check")
def test_the_table_has_a_line_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert gradcheck.main([]) == 0
    printed = capsys.readouterr().out
    for name in ("lstm1.Wx ", "lstm1.dz[3] gate f", "lstm1.dz[0] gate i", "lstm1.dc[0]", "lstm1.input.dx", "dense.b"):
        assert f"\n  {name}" in printed
    assert printed.count(" ok") == 29
    assert "WRONG" not in printed
    assert "All 29 are right." in printed


@pytest.mark.usefixtures("_one_small_check")
@pytest.mark.parametrize("wrong", [1.001, math.nan])
def test_a_wrong_gradient_is_named_and_the_exit_status_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: float
) -> None:
    from lstm_numpy import layers

    right = layers.dense_backward

    def spoilt(*arguments):
        dy, dW, db = right(*arguments)
        dW[1, 2] *= wrong
        return dy, dW, db

    monkeypatch.setattr(layers, "dense_backward", spoilt)
    assert gradcheck.main([]) == 1
    printed = capsys.readouterr().out
    assert "1 of 29 are WRONG.  First: dense.W (1 layer)." in printed
    assert "Worst: dense.W [1, 2] unit 1, token 2 (1 layer): by hand " in printed
    assert "How to read this." in printed


def test_help_is_there_at_once_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from lstm_numpy.gradcheck import __main__ as gradcheck\ntry: gradcheck.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\nassert not {'numpy', 'numba'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--bug" in done.stdout


def test_a_hunt_from_the_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    number = 1 + next(k for k, bug in enumerate(BUGS) if bug.right.startswith("dlogits[n, target]"))
    assert gradcheck.main(["--bug", str(number)]) == 1
    hunt = capfd.readouterr()
    assert "First: loss.dlogits (1 layer)." in hunt.out
    assert BUGS[number - 1].why not in hunt.out + hunt.err
    assert gradcheck.main(["--bug", str(number), "--answer"]) == 0
    told = capfd.readouterr().out
    assert all(text in told for text in (BUGS[number - 1].why, BUGS[number - 1].wrong, BUGS[number - 1].file))


@pytest.mark.parametrize("arguments", [["--bug", "0"], ["--bug", "99"], ["--bug", "one"], ["--answer"]])
def test_wrong_use_is_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        gradcheck.main(arguments)
    assert end.value.code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]


def test_a_table_cut_short_by_its_reader_is_no_error() -> None:
    command = [sys.executable, "-m", "lstm_numpy.gradcheck"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.math
def test_threads_are_checked_with_parts_of_different_size() -> None:
    case = next(case for case in CASES.values() if case.threads > 1)
    assert case.B % case.threads


@pytest.mark.math
def test_a_changed_equation_is_compiled_again_where_a_loop_of_another_file_calls_it(tmp_path: Path) -> None:
    """numba keeps compiled loops on disk.  It must not take one that holds an equation as it was before the change."""
    plant(Bug("optimizer.py", "import math\n", "import math\n\n", "nothing"), tmp_path)
    place = tmp_path / "lstm_numpy" / "kernels.py"
    program = """if True:
        import numpy as np
        from lstm_numpy import ModelConfig, forward, init_params
        params = init_params(ModelConfig(5, 4), np.random.default_rng(1))
        print(forward(params, np.arange(4).reshape(2, 2))[0].tolist())
    """

    def logits() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
        environment.pop("NUMBA_CACHE_DIR", None)
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    first = logits()
    assert list(tmp_path.rglob("*.nbi"))  # something was kept
    assert logits() == first
    text = place.read_text("utf-8")
    assert text.count("c[n, k] = m[n, k] * (f * c_prev[n, k] + i * g)") == 1
    place.write_text(text.replace("c_prev[n, k] + i * g)", "c_prev[n, k] - i * g)"), "utf-8")
    assert logits() != first


def test_watching_tells_what_a_change_breaks_and_what_mends_it(tmp_path: Path) -> None:
    plant(Bug("optimizer.py", "import math\n", "import math\n\n", "nothing"), tmp_path)
    place, right, wrong = tmp_path / "lstm_numpy" / "kernels.py", "i * (one - i)", "i"
    command = [sys.executable, "-u", "-m", "lstm_numpy.gradcheck", "--watch"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "quick checks" in process.stdout.readline()
            assert "are right." in process.stdout.readline()
            place.write_text(place.read_text("utf-8").replace(right, wrong), "utf-8")
            told = [process.stdout.readline() for _ in range(2)]
            while "quick checks" not in told[-2]:
                told.append(process.stdout.readline())
            assert "lstm1.dz[3] gate i" in told[-1]
            assert "WRONG" in told[-1]
        finally:
            process.kill()
