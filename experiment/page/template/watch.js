// What the network expected before a token, what its units did, and the equations with their numbers.

const QUANTITIES = {
  i: "input gate i: write", f: "forget gate f: keep", o: "output gate o: show",
  g: "candidate g: what to write", c: "cell: tanh(c)", h: "hidden state h",
};
const NAMES = Object.keys(QUANTITIES);

// Before the token at `place`: the most probable ones, and what came.
function showExpectation(tune, place) {
  const token = (id) => data.tokens[id], came = tune.ids[place], few = tune.best.shape[1];
  const bars = [];
  for (let k = 0; k < few; k++) {
    const at = place * few + k;
    bars.push([tune.best[at], tune.p[at] / 65535]);
  }
  if (!bars.some(([id]) => id === came)) bars.push([came, Math.exp(-tune.cost[place])]);
  $("expect-text").textContent = `Token ${place} of ${tune.ids.length - 1}, ${placeName(tune, tune.at[place])}: ${token(came)}`;
  $("expect-bars").replaceChildren(...bars.map(([id, p]) => {
    const fill = element("div", { className: "fill" });
    fill.style.width = `${100 * p}%`;
    const words = id === came ? `${token(id)} ✓` : token(id);
    return element("div", { className: id === came ? "row came" : "row" },
      element("span", {}, words), element("div", { className: "track" }, fill), element("span", {}, percent(p)));
  }));
  const p = Math.exp(-tune.cost[place]);
  $("cost-text").textContent = `It came, at a surprise of −ln ${p.toPrecision(3)} = ${tune.cost[place].toFixed(3)} nats.`;
  $("echo-text").hidden = !tune.echo;
  if (tune.echo) {
    const said = tune.echo[place], equal = tune.equal[place];
    const why = equal ? `the last ${equal} tokens or more stood before, and then this came` : "the tune has just left the passage that the echo follows";
    $("echo-text").textContent = said
      ? `The echo said ${token(said)}, ${said === came ? "and so it came" : "and it did not come"}: ${why}.`
      : "The echo said nothing: this passage has not stood before.";
  }
}

// The tokens between the note before and this one, as buttons.
function showMoment(tune, place, choose) {
  let first = place, last = place;
  while (first > 1 && tune.at[first - 1] === tune.at[place]) first--;
  while (last + 1 < tune.ids.length && tune.at[last + 1] === tune.at[place]) last++;
  $("moment").replaceChildren(...Array.from({ length: last - first + 1 }, (_, k) => {
    const button = element("button", { type: "button", onclick: () => choose(first + k) },
      `${data.tokens[tune.ids[first + k]]}  ${tune.cost[first + k].toFixed(2)}`);
    button.setAttribute("aria-pressed", String(first + k === place));
    return button;
  }));
}

// The moment of the tune that has been read at a beat: the last that is not later.
function momentAt(watch, beat) {
  let m = 0;
  while (m + 1 < watch.beat.length && watch.beat[m + 1] <= beat + 1e-4) m++;
  return m;
}
const byteAt = (watch, quantity, m, unit) =>
  watch.units[(NAMES.indexOf(quantity) * watch.beat.length + m) * data.hidden + unit] / 255;
const valueAt = (watch, quantity, m, unit) =>
  "ifo".includes(quantity) ? byteAt(watch, quantity, m, unit) : 2 * byteAt(watch, quantity, m, unit) - 1;

// Units from the longest memory to the shortest, by their mean forget gate.
function unitOrder(watch) {
  const mean = new Float64Array(data.hidden);
  for (let m = 0; m < watch.beat.length; m++)
    for (let unit = 0; unit < data.hidden; unit++) mean[unit] += byteAt(watch, "f", m, unit);
  return [...mean.keys()].sort((a, b) => mean[b] - mean[a]);
}

// The strip of one quantity as a picture: a column for each moment, a row for each unit.
function stripPicture(watch, quantity) {
  const M = watch.beat.length, order = (watch.order ??= unitOrder(watch));
  const canvas = new OffscreenCanvas(M, data.hidden), context = canvas.getContext("2d");
  const image = context.createImageData(M, data.hidden), gate = "ifo".includes(quantity);
  const ink = gate ? [[0, 96, 160]] : [[178, 58, 20], [0, 96, 160]];
  for (let row = 0; row < data.hidden; row++)
    for (let m = 0; m < M; m++) {
      const value = valueAt(watch, quantity, m, order[row]);
      image.data.set([...(value < 0 ? ink[1] : ink[0]), 255 * Math.abs(value)], 4 * (row * M + m));
    }
  context.putImageData(image, 0, 0);
  return canvas;
}

function endOf(watch, m, tune) {
  return m + 1 < watch.beat.length ? watch.beat[m + 1] : Math.min(tune.beats, watch.beat[m] + 1);
}

function drawStrip(tune, head, quantity, unit) {
  const { watch } = tune, { context, width, height } = prepared($("strip"));
  if (watch.picture?.quantity !== quantity) watch.picture = { quantity, canvas: stripPicture(watch, quantity) };
  context.imageSmoothingEnabled = false;
  for (let m = 0; m < watch.beat.length; m++) {
    const x = toX(watch.beat[m]), end = toX(endOf(watch, m, tune));
    if (end > 0 && x < width) context.drawImage(watch.picture.canvas, m, 0, 1, data.hidden, x, 0, end - x + 0.5, height);
  }
  drawTime(context, width, height, tune, head);
  context.strokeStyle = css("--ink");
  const row = watch.order.indexOf(unit);
  context.strokeRect(0.5, (row / data.hidden) * height - 1, width - 1, height / data.hidden + 2);
}

// followed: the place in data.found of what the unit follows, or -1; it is shown as a shade behind the lines.
function drawLines(tune, head, unit, followed) {
  const { watch } = tune, { context, width, height } = prepared($("lines")), tall = height / NAMES.length;
  const count = watch.said_at?.length ?? 0;
  context.fillStyle = css("--bar");
  for (let m = 0; followed >= 0 && m < count; m++) {
    const x = toX(watch.said_at[m]), end = toX(m + 1 < count ? watch.said_at[m + 1] : tune.beats);
    context.globalAlpha = 0.6 * watch.said[followed * count + m] / 255;
    context.fillRect(x, 0, end - x, height);
  }
  context.globalAlpha = 1;
  drawTime(context, width, height, tune, head);
  NAMES.forEach((quantity, k) => {
    const gate = "ifo".includes(quantity), top = k * tall + 3, high = tall - 6;
    const toY = (value) => top + high * (gate ? 1 - value : (1 - value) / 2);
    context.fillStyle = css("--line");
    context.fillRect(0, k * tall, width, 1);
    context.strokeStyle = css(`--voice${k}`);
    context.lineWidth = 1.6;
    context.beginPath();
    for (let m = 0; m < watch.beat.length; m++) {
      const y = toY(valueAt(watch, quantity, m, unit));
      context.lineTo(toX(watch.beat[m]), y);
      context.lineTo(toX(endOf(watch, m, tune)), y);
    }
    context.stroke();
    label(context, QUANTITIES[quantity], 4, top + 10);
  });
}

// Equations (1) to (5) of docs/lstm.md with the numbers of one unit at one moment.
function equationLines(tune, head, unit, quantity) {
  const { watch } = tune, m = momentAt(watch, head), which = data.units.indexOf(unit);
  const when = `Unit ${unit}, ${placeName(tune, watch.beat[m])}, after the token ${data.tokens[tune.ids[watch.place[m]]]}:`;
  if (which < 0)
    return [when, `${quantity} is about ${valueAt(watch, quantity, m, unit).toFixed(2)}. The parts of the sum are kept for the units that have a name: choose one of them.`];
  const begin = (m * data.units.length + which) * 20, numbers = watch.exact.subarray(begin, begin + 20);
  const n = (value) => signed(value, 3);
  const [i, f, o, g, before, after, tanh, h] = numbers.subarray(12);
  const gate = "ifog".indexOf(quantity);
  if (gate >= 0) {
    const [x, back, bias] = [numbers[gate], numbers[4 + gate], numbers[8 + gate]], way = quantity === "g" ? "tanh" : "sigmoid";
    return [when, `z = x @ Wx + h @ Wh + b = ${n(x)} + ${n(back)} + ${n(bias)} = ${n(x + back + bias)}   (1)`,
      `${quantity} = ${way}(z) = ${n([i, f, o, g][gate])}   (${quantity === "g" ? 3 : 2})`];
  }
  if (quantity === "c")
    return [when, `c[t+1] = f * c[t] + i * g = ${n(f)} * ${n(before)} + ${n(i)} * ${n(g)} = ${n(after)}   (4)`, `tanh(c[t+1]) = ${n(tanh)}`];
  return [when, `h[t+1] = o * tanh(c[t+1]) = ${n(o)} * ${n(tanh)} = ${n(h)}   (5)`];
}

// Of each note, how far the surprise of the chosen one depends on what the network held when it had read it.
function gradientsOf(tune, chosen, kind) {
  const { watch } = tune, row = watch ? watch.notes.indexOf(tune.place[chosen]) : -1;
  if (row < 0) return null;
  const N = watch.notes.length, column = new Map([...watch.notes].map((place, j) => [place, j]));
  return [...tune.place].map((place) => {
    const j = column.get(place);
    return j === undefined ? 0 : watch[kind][row * N + j];
  });
}
