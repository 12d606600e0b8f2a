"""Exercise 1: hunt the planted bugs.

    python -m lstm_numpy.gradcheck --bug 1

plants a mistake in a copy of the package, checks that, and shows the table.  Read it from the top: the first WRONG line
is where the mistake begins to show, and docs/lstm.md ("Hunt a mistake") says what such a pattern means.  Then find the
line of code that was changed, as it stands (right) in this package, and write it here beside its file, for example

    1: ("kernels.py", "c[n, k] = m[n, k] * (f * c_prev[n, k] + i * g)"),

which is wrong, for bug 1 is another one.  Spaces at the ends do not matter.  pytest exercises/test_hunt.py tells which
are found.
"""

FOUND: dict[int, tuple[str, str]] = {
    1: ("", ""),
    3: ("", ""),
    4: ("", ""),
    8: ("", ""),
    11: ("", ""),
    15: ("", ""),
    18: ("", ""),
    19: ("", ""),
    24: ("", ""),
    29: ("", ""),
}
