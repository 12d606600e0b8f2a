"""The drawings of the course, and the sheet with all equations: python -m docs.drawings writes them as SVG files.

cell.svg, unrolled.svg and backward.svg have the format of a projector, 16:9.  equations.svg is a page to print (A4);
its text comes from docs/lstm.md, so it has the equations that the code has.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORDS = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"
FORMULAS = "'DejaVu Sans Mono', Consolas, Menlo, monospace"
BLACK, GREY, PALE = "#222222", "#6B6B6B", "#F4F6F8"
BLUE, GREEN, RED, GOLD = "#0B64A8", "#0A7D5A", "#C2410C", "#A56A00"  # dark enough for a pale projector
Point = tuple[float, float]


class Drawing:
    """A picture that is built from lines, boxes and texts, in the order in which they are painted."""

    def __init__(self, width: int, height: int, title: str, *, paper: str = "") -> None:
        """Width and height in points; paper: the size in print, which fits A4 and Letter."""
        size = paper or f'width="{width}" height="{height}"'
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#FFFFFF"/>',
        ]

    def path(self, points: Sequence[Point], colour: str = BLACK, width: float = 4, *, arrow: bool = True) -> None:
        """A line from point to point, with an arrowhead at its end."""
        x, y = points[-1]
        if arrow:
            before_x, before_y = points[-2]
            length = ((x - before_x) ** 2 + (y - before_y) ** 2) ** 0.5
            along_x, along_y = (x - before_x) / length, (y - before_y) / length
            back_x, back_y = x - 18 * along_x, y - 18 * along_y
            head = [(x, y), (back_x - 9 * along_y, back_y + 9 * along_x), (back_x + 9 * along_y, back_y - 9 * along_x)]
            corners = " ".join(f"{a:.4g},{b:.4g}" for a, b in head)
            self.parts.append(f'<polygon points="{corners}" fill="{colour}"/>')
            points = [*points[:-1], (back_x, back_y)]
        line = " ".join(f"{a:.5g},{b:.5g}" for a, b in points)
        self.parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{width:g}"/>')

    def box(self, centre: Point, width: float, height: float, colour: str = BLACK, fill: str = PALE) -> None:
        x, y = centre[0] - width / 2, centre[1] - height / 2
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="14" fill="{fill}" '
            f'stroke="{colour}" stroke-width="3"/>'
        )

    def circle(self, centre: Point, sign: str, colour: str = BLACK, radius: float = 30) -> None:
        """A circle with a sign in it, such as + or ×; without a sign a small dot."""
        x, y = centre
        fill = "#FFFFFF" if sign else colour
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{colour}" stroke-width="3"/>'
        )
        if sign:
            self.text((x, y), sign, 42, colour)

    def text(
        self,
        place: Point,
        text: str,
        size: float = 30,
        colour: str = BLACK,
        *,
        anchor: str = "middle",
        formula: bool = False,
        bold: bool = False,
    ) -> None:
        """One line of text; `place` is the middle of its height."""
        x, y = place
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y + 0.35 * size:.5g}" font-family="{FORMULAS if formula else WORDS}" '
            f'font-size="{size:g}" fill="{colour}" text-anchor="{anchor}" xml:space="preserve"{weight}>'
            f"{escape(text)}</text>"
        )

    def formula(
        self, place: Point, text: str, size: float = 30, colour: str = BLACK, *, anchor: str = "middle"
    ) -> None:
        self.text(place, text, size, colour, anchor=anchor, formula=True)

    def svg(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])


def cell() -> Drawing:
    """Equations (1) to (5): one step."""
    d = Drawing(1600, 900, "One step of an LSTM cell, equations (1) to (5)")
    d.text((60, 55), "One step of the cell", 44, anchor="start", bold=True)
    d.box((800, 470), 1150, 660, GREY, "#FBFCFD")
    top, middle, z = 230, 415, 720

    # The cell's line, from left to right.
    d.path([(150, top), (410, top)], GREEN, 7)
    d.path([(470, top), (730, top)], GREEN, 7)
    d.path([(790, top), (1450, top)], GREEN, 7)
    d.formula((90, top), "c[t]", 38, GREEN)
    d.formula((1522, top), "c[t+1]", 36, GREEN)
    d.formula((790, 165), "c[t+1] = f * c[t] + i * g   (4)", 30, GREEN)

    # What goes up to it: f, and i * g.
    d.path([(440, 530), (440, top + 30)], BLACK)
    d.path([(660, 530), (660, middle), (730, middle)], BLACK)
    d.path([(860, 530), (860, middle), (790, middle)], BLACK)
    d.path([(760, middle - 30), (760, top + 30)], BLACK)
    d.circle((440, top), "×", GREEN)
    d.circle((760, top), "+", GREEN)
    d.circle((760, middle), "×")

    # What is shown of it: o * tanh(c).
    d.circle((1220, top), "", GREEN, 9)
    d.path([(1220, top), (1220, 286)], GREEN)
    d.box((1220, 313), 120, 54, BLACK, "#FFFFFF")
    d.formula((1220, 313), "tanh", 30)
    d.path([(1220, 340), (1220, middle - 30)], BLACK)
    d.path([(1080, 530), (1080, middle), (1190, middle)], BLACK)
    d.path([(1250, middle), (1450, middle)], BLUE, 7)
    d.circle((1220, middle), "×", BLUE)
    d.formula((1522, middle), "h[t+1]", 36, BLUE)
    d.formula((1112, 478), "h[t+1] =   (5)", 26, BLUE, anchor="start")
    d.formula((1112, 512), "o * tanh(c[t+1])", 26, BLUE, anchor="start")

    # The gates.
    for x, letter, function, word in (
        (440, "f", "sigmoid (2)", "keep"),
        (660, "i", "sigmoid (2)", "write"),
        (860, "g", "tanh (3)", "what to write"),
        (1080, "o", "sigmoid (2)", "show"),
    ):
        d.path([(x, z - 40), (x, 612)], BLACK)
        d.box((x, 570), 170, 82)
        d.formula((x, 555), letter, 38)
        d.text((x, 590), function, 22, GREY)
        place = (x - 14, 455) if letter == "o" else (x + 14, 500)
        d.text(place, word, 26, GREY, anchor="end" if letter == "o" else "start")

    # z, from the token and from what was shown.
    d.path([(150, z), (330, z)], BLUE, 7)
    d.formula((90, z), "h[t]", 38, BLUE)
    d.path([(760, 870), (760, z + 42)], RED, 7)
    d.formula((785, 848), "x[t]: the token that is read", 28, RED, anchor="start")
    d.box((760, z), 860, 80, BLACK, "#FFFFFF")
    d.formula((760, z), "z = x[t] @ Wx + h[t] @ Wh + b   (1)", 32)
    return d


def unrolled() -> Drawing:
    """Equations (6) to (9) around the cell: a sequence."""
    d = Drawing(1600, 900, "The cell unrolled over time, equations (6) to (9)")
    d.text((60, 55), "The same step again and again, with the same weights", 44, anchor="start", bold=True)
    tokens = ("<start>", "D4", "E4", "F#4")
    for t in range(3):
        x, after = 360 + 420 * t, f"[{t + 1}]"
        before = x - 245 if t == 0 else x - 310
        d.path([(before, 430), (x - 112, 430)], GREEN, 7)
        d.path([(before, 530), (x - 112, 530)], BLUE, 7)
        d.path([(x, 745), (x, 578)], RED, 5)
        d.path([(x, 384), (x, 322)], BLUE, 5)
        d.path([(x, 252), (x, 190)], BLACK, 5)
        d.box((x, 480), 220, 190)
        d.text((x, 455), "step", 30)
        d.formula((x, 495), f"t = {t}", 32)
        d.text((x, 536), "(1) to (5)", 24, GREY)
        d.formula((x + 16, 350), f"y[{t}]", 28, BLUE, anchor="start")
        d.box((x, 287), 240, 66, BLACK, "#FFFFFF")
        d.formula((x, 287), "y @ W + b  (8)", 25)
        d.formula((x + 16, 222), "logits", 26, anchor="start")
        d.box((x, 152), 300, 70, RED, "#FFFFFF")
        d.formula((x, 152), f"-ln p({tokens[t + 1]})  (9)", 27, RED)
        d.formula((x + 16, 700), f"x[{t}] @ Wx (6)", 28, RED, anchor="start")
        d.formula((x, 778), tokens[t], 36, RED)
        d.formula((x + 175, 395), f"c{after}", 30, GREEN)
        d.formula((x + 175, 568), f"h{after}", 30, BLUE)
    d.path([(1310, 430), (1450, 430)], GREEN, 7)
    d.path([(1310, 530), (1450, 530)], BLUE, 7)
    d.formula((1500, 430), "...", 34, GREEN)
    d.formula((1500, 530), "...", 34, BLUE)
    d.formula((70, 430), "c[0]", 34, GREEN)
    d.formula((70, 530), "h[0]", 34, BLUE)
    d.text((1510, 132), "the loss: ", 26, RED)
    d.text((1510, 170), "their mean", 26, RED)
    d.text(
        (800, 845),
        "The state, h and c, is all that a step knows of the past.  Each target is the next token.",
        30,
        GREY,
    )
    return d


def backward() -> Drawing:
    """Equations (11) to (18): the two roads back through time."""
    d = Drawing(1600, 900, "The way of the gradients back through time, equations (11) to (18)")
    d.text((60, 55), "The way of the gradients back: read from right to left", 44, anchor="start", bold=True)
    road, shown, dz = 270, 470, 660
    for x, t, after in ((1150, "t", "t+1"), (450, "t-1", "t")):
        later = t == "t"
        # From above, and from the later step.
        d.path([(x + 220, 140), (x + 220, shown - 30)], BLUE, 5)
        d.formula((x + 236, 165), f"dy[{t}] (19)", 28, BLUE, anchor="start")
        d.path([(x + 190, shown), (x + 20, shown), (x + 20, road + 32)], BLUE, 5)
        d.text((x + 36, 365), "× o", 26, BLUE, anchor="start")
        d.text((x + 36, 400), "× (1 - tanh²)", 26, BLUE, anchor="start")
        d.circle((x + 220, shown), "+", BLUE)
        d.formula((x + 200, shown + 50), f"dh[{after}]", 30, BLUE, anchor="end")
        d.formula((x + 200, shown + 90), "(11)", 26, BLUE, anchor="end")
        d.formula((x + 20, road - 56), f"dc[{after}] (13)", 30, GREEN)

        # To the gates.
        d.path([(x + 220, shown + 30), (x + 220, dz), (x + 92, dz)], BLUE, 4)
        d.path([(x - 20, road + 12), (x - 20, dz - 42)], GREEN, 4)
        d.text((x - 34, 560), "i, f, g", 26, GREEN, anchor="end")
        d.text((x + 166, dz + 28), "o", 28, BLUE)
        d.box((x, dz), 180, 80)
        d.formula((x, dz - 14), f"dz[{t}]", 30)
        d.formula((x, dz + 22), "(14)", 24, GREY)
        d.path([(x, dz + 42), (x, 790)], BLACK, 5)

        # The two roads to the earlier step.
        d.path([(x - 10, road), (x - 648 if later else 120, road)], GREEN, 9)
        d.formula((x - 255 if later else 262, road + 42), f"× f[{t}] (15)", 30, GREEN)
        d.circle((x + 20, road), "+", GREEN)
        d.formula((x - 240 if later else 240, dz + 42), "@ Wh.T (16)", 30, RED)
        if later:
            d.path([(x - 92, dz), (x - 400, dz), (x - 400, shown), (x - 448, shown)], RED, 7)
        else:
            d.path([(x - 92, dz), (120, dz)], RED, 7)
    d.path([(1510, road), (1202, road)], GREEN, 9)
    d.path([(1510, shown), (1402, shown)], RED, 7)
    d.box((800, 828), 1100, 76, BLACK, "#FFFFFF")
    d.formula((800, 828), "dWh, db (17)  and  dWx (18):  sums over all steps", 30)
    d.text((1490, road - 50), "along the cell", 26, GREEN)
    d.text((1490, shown - 78), "through", 26, RED)
    d.text((1490, shown - 44), "the gates", 26, RED)
    return d


def equations(page: Path = HERE / "lstm.md") -> Drawing:
    """All numbered equations of the derivation on one sheet of A4, under its headings."""
    lines = equation_lines(page.read_text(encoding="utf-8"))
    d = Drawing(2100, 2970, "The LSTM on one page: all numbered equations", paper='width="180mm" height="254.5mm"')
    d.text((100, 110), "The LSTM on one page", 58, anchor="start", bold=True)
    letters = (
        "T time steps, B sequences, V tokens in the vocabulary, H hidden units.  x[t] is one step.  * multiplies entry",
        "by entry, @ multiplies matrices.  dX is d loss / dX, in the shape of X.  m, s and r are 1 without dropout.",
    )
    for row, text in enumerate(letters):
        d.text((100, 180 + 40 * row), text, 29, GREY, anchor="start")
    step, size = min(54.0, 2600 / len(lines)), min(31.0, 1900 / 0.603 / max(map(len, lines)))
    y = 275.0
    for line in lines:
        if line.startswith("#"):
            d.text((100, y + 0.25 * step), line.lstrip("# "), 38, BLUE, anchor="start", bold=True)
            y += 0.3 * step
        elif line:
            d.formula((100, y), line, size, anchor="start")
        y += step if line else 0.35 * step
    return d


def equation_lines(text: str) -> list[str]:
    """The headings of a page and, below each, its blocks that have a numbered equation; "" between blocks."""
    lines: list[str] = []
    heading = ""
    for number, part in enumerate(re.split(r"^```", text, flags=re.MULTILINE)):
        inside = number % 2 == 1 and part.startswith("\n")  # of a fence without a language: not an example
        if inside and re.search(r"\(\d+\)$", part, re.MULTILINE):
            lines += [heading] * bool(heading) + [*part.strip("\n").splitlines(), ""]
            heading = ""
        elif number % 2 == 0:
            heading = [heading, *re.findall(r"^## [^\n]+", part, re.MULTILINE)][-1]
    return lines


DRAWINGS = {"cell": cell, "unrolled": unrolled, "backward": backward, "equations": equations}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.drawings", description="Write the drawings as SVG files.")
    parser.add_argument("--out", type=Path, default=HERE / "pictures", metavar="DIR", help="where they go")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWINGS.items():
        (args.out / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
        print(args.out / f"{name}.svg")


if __name__ == "__main__":
    main()
