// The piano roll, and what all canvases along the tune share: which beats are seen.

const view = { left: 0, scale: 44, tune: null }; // first beat that is seen; pixels per beat

// A canvas that fits its box and the screen's pixels: its context and its size.
function prepared(canvas) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  return { context, width, height };
}
const toX = (beat) => (beat - view.left) * view.scale;
const toBeat = (x) => x / view.scale + view.left;
const seenBeats = () => $("roll").clientWidth / view.scale;

// Turn the page where a beat is out of sight.
function show(beat) {
  const most = Math.max(0, view.tune.beats + 1 - seenBeats());
  if (beat < view.left || beat > view.left + 0.92 * seenBeats()) view.left = beat - 0.25 * seenBeats();
  view.left = clamp(view.left, 0, most);
}

// Small text on a patch of paper, so that it can be read above notes and lines.
function label(context, text, x, y) {
  context.globalAlpha = 0.75;
  context.fillStyle = css("--paper");
  context.fillRect(x - 2, y - 10, context.measureText(text).width + 4, 13);
  context.globalAlpha = 1;
  context.fillStyle = css("--ink");
  context.fillText(text, x, y);
}

// Bar lines, and the play head.
function drawTime(context, width, height, tune, head) {
  context.lineWidth = 1;
  const bar = barBeats(tune), first = Math.max(0, Math.floor(view.left / bar));
  for (let k = first; toX(k * bar) < width; k++) {
    context.fillStyle = css("--bar");
    context.fillRect(Math.round(toX(k * bar)), 0, 1, height);
  }
  context.fillStyle = css("--head");
  context.fillRect(Math.round(toX(head)) - 1, 0, 2, height);
}

function rowsOf(tune) {
  const pitches = [...tune.pitch.keys()].filter((k) => tune.voices[tune.voice[k]].sound !== "drums");
  let low = Math.min(...pitches.map((k) => tune.pitch[k]), 127), high = Math.max(...pitches.map((k) => tune.pitch[k]), 0);
  if (!pitches.length) [low, high] = [60, 72];
  const keys = [...new Set([...tune.pitch.keys()].filter((k) => !pitches.includes(k)).map((k) => tune.pitch[k]))];
  keys.sort((a, b) => b - a);
  return { low: low - 1, high: high + 1, keys };
}

// The box of a note: x, y, width and height.
function box(tune, k, height) {
  const { low, high, keys } = (tune.rows ??= rowsOf(tune));
  const count = high - low + 1 + (keys.length ? keys.length + 1 : 0), row = (height - 16) / count;
  const drum = tune.voices[tune.voice[k]].sound === "drums";
  const place = drum ? high - low + 2 + keys.indexOf(tune.pitch[k]) : high - tune.pitch[k];
  const width = Math.max(3, tune.duration[k] * view.scale - Math.min(3, 0.2 * tune.duration[k] * view.scale));
  return [toX(tune.start[k]), 16 + place * row, width, Math.max(2, row - 0.5)];
}

function drawRoll(tune, head, colourOf, chosen) {
  const { context, width, height } = prepared($("roll"));
  const { low, high, keys } = (tune.rows ??= rowsOf(tune));
  const row = (height - 16) / (high - low + 1 + (keys.length ? keys.length + 1 : 0));
  context.fillStyle = css("--black-keys");
  for (let pitch = low; pitch <= high; pitch++)
    if ([1, 3, 6, 8, 10].includes(pitch % 12)) context.fillRect(0, 16 + (high - pitch) * row, width, row);
  drawTime(context, width, height, tune, head);
  for (let k = 0; k < tune.pitch.length; k++) {
    const [x, y, wide, tall] = box(tune, k, height);
    if (x + wide < 0 || x > width) continue;
    context.globalAlpha = player.muted.has(tune.voice[k]) ? 0.25 : 1;
    context.fillStyle = colourOf(k);
    context.fillRect(x, y, wide, tall);
    if (k === chosen) {
      context.strokeStyle = css("--ink");
      context.lineWidth = 2;
      context.strokeRect(x - 2, y - 2, wide + 4, tall + 4);
    }
  }
  context.globalAlpha = 1;
  const bar = barBeats(tune);
  for (let k = Math.max(0, Math.floor(view.left / bar)); toX(k * bar) < width; k++)
    label(context, String(k + 1), toX(k * bar) + 4, 11);
  for (let pitch = low; pitch <= high; pitch++)
    if (pitch % 12 === 0) label(context, pitchName(pitch), 3, 16 + (high - pitch + 0.5) * row + 4);
}

// The note at a point of the roll, or -1; a few pixels beside it will do.
function noteAt(tune, x, y, height) {
  let best = -1, nearest = 6;
  for (let k = 0; k < tune.pitch.length; k++) {
    const [left, top, wide, tall] = box(tune, k, height);
    const away = Math.max(left - x, x - left - wide, top - y, y - top - tall, 0);
    if (away < nearest) [best, nearest] = [k, away];
  }
  return best;
}

// A colour between two, as rgb; share 0..1.
function between(low, high, share) {
  const part = (colour, k) => parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16);
  return `rgb(${[0, 1, 2].map((k) => Math.round(part(low, k) + share * (part(high, k) - part(low, k)))).join()})`;
}
