"""Exercise 1: hunt the planted bugs.

    python -m lstm_numpy.gradcheck --bug 1

plants a mistake in a copy of the package, checks the copy, and prints the table.  Read it from the top: the first WRONG
line is where the mistake shows first.  docs/lstm.md ("Hunt a mistake") says what the pattern means.  Then find the line
of code that was changed.  Write it here as it stands in this package, where it is right, beside its file.  For example

    1: ("kernels.py", "c[n, k] = m[n, k] * (f * c_prev[n, k] + i * g)"),

(which is not the line of bug 1).  Spaces and comments do not matter.  pytest exercises/test_hunt.py shows which bugs
you have found.
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
