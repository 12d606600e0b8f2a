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

const BANDS = "Dark: the middle half of the values, light: 98 of 100, line: the median.";
const OPEN = "Read it so: above 0 the gate is open until something shuts it, below 0 it is shut.";
const MEANINGS = {
  Wx: "What each token adds to the gates. Read it so: a band that widens is learning.",
  Wh: "What the last hidden state adds to the gates. Read it so: a band that widens is learning to look back.",
  "b.i": `Biases of the input gates. ${OPEN}`, "b.o": `Biases of the output gates. ${OPEN}`,
  "b.f": `Biases of the forget gates. They begin at 1, open, so that memories last from the first step. ${OPEN}`,
  "b.g": "Biases of the candidates. Read it so: near 0 nothing is written unless the tune asks for it.",
  "dense.W": "What each unit adds to each token's score. Read it so: a wide band means that the network is sure.",
  "dense.b": "Each token's score before anything is known. Read it so: frequent tokens rise, rare ones fall.",
};

function drawLearned({ curves, ngrams, weights }) {
  const charts = $("charts"), last = (points) => points[points.length - 1][1];
  const tenths = (v) => v.toFixed(1), both = "Blue: songs it learns from; orange: songs it does not.";
  const measures = {
    loss: ["Loss, in nats per token", tenths, `${both} Dashed: counting words. Read it so: the lower, the better it predicts; a gap that grows between the lines means that it learns by heart.`],
    accuracy: ["Accuracy", (v) => `${Math.round(100 * v)} %`, `How often the most probable token came. ${both} Read it so: it cannot reach 100 %, because a tune is free to surprise.`],
  };
  for (const [name, [title, form, sentence]] of Object.entries(measures)) {
    const train = curves[name] ?? [], valid = curves[`valid_${name}`] ?? [];
    if (train.length < 2) continue;
    const rules = name === "loss" ? Object.entries(ngrams) : [];
    const top = name === "loss" ? Math.max(...train.map((p) => p[1]), ...rules.map((r) => r[1])) * 1.08 : 1;
    const drawing = chart([Math.round(train[0][0]), train[train.length - 1][0]], [0, top], "step", form);
    drawing.line(train, "train");
    drawing.line(valid, "valid");
    for (const [words, nats] of rules) drawing.rule(nats, `${words} ${nats.toFixed(2)}`);
    const end = valid.length ? `: ${form === tenths ? last(valid).toFixed(3) : percent(last(valid))} at the end` : "";
    charts.append(figure(drawing, title + end, sentence));
  }
  const boxes = element("div");
  for (const [name, { epochs, bands }] of Object.entries(weights)) {
    if (epochs.length < 2) continue;
    const at = (k) => bands[k].map((value, e) => [epochs[e], value]);
    const ends = [epochs[0], epochs[epochs.length - 1]];
    const drawing = chart(ends, [Math.min(...bands[1]), Math.max(...bands[5])], "epoch", (v) => v.toFixed(2));
    drawing.band(at(1), at(5));
    drawing.band(at(2), at(4));
    drawing.line(at(3), "median");
    const kind = name.slice(name.indexOf(".") + 1), feature = data.features[Number(kind.slice(2)) - 1]; // of Wx1, Wx2, ...
    const told = feature && `What the feature "${feature}" adds to the gates. Read it so: a wide band is listened to.`;
    boxes.append(figure(drawing, feature ? `${name} (${feature})` : name, `${MEANINGS[name] ?? MEANINGS[kind] ?? told ?? ""} ${BANDS}`));
  }
  if (!boxes.children.length) return;
  charts.append(element("details", { open: innerWidth > 700 }, element("summary", {}, "How the weights are spread, epoch by epoch"), boxes));
}
