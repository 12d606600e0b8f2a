// How the run learned: line charts and bands as SVG, each with one sentence that says how to read it.

const WIDTH = 320, HEIGHT = 170, LEFT = 34, BOTTOM = 18, TOP = 8;

function svg(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// An empty chart over x and y, with its axis; its functions put things into it.
function chart(x, y, xName, form) {
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const toX = (value) => LEFT + ((value - x[0]) / (x[1] - x[0] || 1)) * (WIDTH - LEFT - 6);
  const toY = (value) => HEIGHT - BOTTOM - ((value - y[0]) / (y[1] - y[0] || 1)) * (HEIGHT - BOTTOM - TOP);
  const path = (points) => points.map(([a, b]) => `${toX(a).toFixed(1)} ${clamp(toY(b), TOP, HEIGHT - BOTTOM).toFixed(1)}`);
  for (const share of [0, 0.5, 1]) {
    const value = y[0] + share * (y[1] - y[0]);
    root.append(svg("line", { class: "axis", x1: LEFT, x2: WIDTH - 6, y1: toY(value), y2: toY(value) }));
    root.append(svg("text", { x: LEFT - 4, y: toY(value) + 3, "text-anchor": "end" }, form(value)));
  }
  root.append(svg("text", { x: LEFT, y: HEIGHT - 5 }, `${xName} ${x[0]}`));
  root.append(svg("text", { x: WIDTH - 6, y: HEIGHT - 5, "text-anchor": "end" }, String(Math.round(x[1]))));
  return {
    root,
    line(points, kind) {
      if (points.length) root.append(svg("path", { class: kind, d: `M${path(points).join("L")}` }));
    },
    band(low, high) {
      root.append(svg("path", { class: "band", d: `M${path([...low, ...high.toReversed()]).join("L")}Z` }));
    },
    rule(value, words) {
      root.append(svg("line", { class: "rule", x1: LEFT, x2: WIDTH - 6, y1: toY(value), y2: toY(value) }));
      root.append(svg("text", { x: WIDTH - 8, y: toY(value) - 3, "text-anchor": "end" }, words));
    },
  };
}

function figure(drawing, title, sentence) {
  drawing.root.setAttribute("aria-label", title);
  return element("figure", {}, drawing.root, element("figcaption", {}, element("b", {}, title), sentence));
}

function drawLearned({ curves, ngrams, weights }) {
  const charts = $("charts"), last = (points) => points[points.length - 1][1];
  const measures = {
    loss: ["Loss", (v) => v.toFixed(1), `nats per token; blue: songs it learns from, orange: songs it does not. Dashed: counting words. Read it so: the lower, the better it predicts, and a gap that grows between the two lines means that it learns by heart.`],
    accuracy: ["Accuracy", (v) => `${Math.round(100 * v)} %`, `how often the most probable token came; blue: songs it learns from, orange: songs it does not. Read it so: it cannot reach 100 %, for a tune is free to surprise.`],
  };
  for (const [name, [title, form, sentence]] of Object.entries(measures)) {
    const train = curves[name] ?? [], valid = curves[`valid_${name}`] ?? [];
    if (train.length < 2) continue;
    const rules = name === "loss" ? Object.entries(ngrams) : [];
    const top = name === "loss" ? Math.max(...train.map((p) => p[1]), ...rules.map((r) => r[1])) : 1;
    const drawing = chart([train[0][0], train[train.length - 1][0]], [0, top], "step", form);
    drawing.line(train, "train");
    drawing.line(valid, "valid");
    for (const [words, nats] of rules) drawing.rule(nats, `${words} ${nats.toFixed(2)}`);
    charts.append(figure(drawing, valid.length ? `${title}: ${name === "loss" ? last(valid).toFixed(3) : percent(last(valid))} at the end` : title, sentence));
  }
  const GATES = { i: "input gate", f: "forget gate", o: "output gate", g: "candidate" };
  for (const [name, { epochs, bands }] of Object.entries(weights)) {
    if (epochs.length < 2) continue;
    const at = (k) => bands[k].map((value, e) => [epochs[e], value]);
    const drawing = chart([epochs[0], epochs[epochs.length - 1]], [Math.min(...bands[1]), Math.max(...bands[5])], "epoch", (v) => v.toFixed(2));
    drawing.band(at(1), at(5));
    drawing.band(at(2), at(4));
    drawing.line(at(3), "median");
    const gate = GATES[name.split(".")[2]];
    const what = gate ? `Biases of the ${gate}` : `Weights ${name}`;
    charts.append(figure(drawing, what, "dark: the middle half of the values; light: 98 of 100; line: the median. Read it so: a band that widens is learning, one that stands still is not."));
  }
}
