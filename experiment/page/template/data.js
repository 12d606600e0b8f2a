// The data of the page, and a few helpers.  Text from the data reaches the page as textContent only.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const palette = new Map(); // colours of the style sheet, asked for once in each drawing
function css(name) {
  if (!palette.size) palette.style = getComputedStyle(document.documentElement);
  if (!palette.has(name)) palette.set(name, palette.style.getPropertyValue(name).trim());
  return palette.get(name);
}
const PITCHES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
const pitchName = (pitch) => `${PITCHES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;

// An element with properties and children; a child that is a string becomes text.
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// The typed array of what Python packed: base64 of deflated bytes, little-endian like every machine with a browser.
async function unpack({ type, data: text }) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const kinds = { Uint8Array, Uint16Array, Uint32Array, Int32Array, Float32Array };
  return new kinds[type](await new Response(stream).arrayBuffer());
}

// The same object with every packed array in it unpacked; its shape is kept as array.shape.
async function unpackAll(object) {
  const entries = Object.entries(object).map(async ([key, value]) => {
    if (value && value.type && value.shape) return [key, Object.assign(await unpack(value), { shape: value.shape })];
    return [key, key === "watch" ? await unpackAll(value) : value];
  });
  return Object.fromEntries(await Promise.all(entries));
}

const loaded = new Map();
async function loadTune(k) {
  if (!loaded.has(k)) {
    const tune = await unpackAll(data.tunes[k]);
    if (tune.watch) tune.watch.beat = Float32Array.from(tune.watch.place, (place) => tune.at[place]);
    loaded.set(k, tune);
  }
  return loaded.get(k);
}

const barBeats = (tune) => (4 * tune.meter[0]) / tune.meter[1];
function placeName(tune, beat) {
  const bar = Math.floor(beat / barBeats(tune) + 1e-6);
  const inside = ((beat - bar * barBeats(tune)) * tune.meter[1]) / 4;
  return `bar ${bar + 1}, beat ${Number((inside + 1).toFixed(2))}`;
}
const percent = (p) => (p >= 0.0995 ? `${(100 * p).toFixed(0)} %` : `${(100 * p).toFixed(1)} %`);
const signed = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
