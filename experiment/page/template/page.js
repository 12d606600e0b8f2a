// The page: what is chosen, what that shows, and what mouse and keys do.

const chosen = { tune: 0, note: -1, place: 1, colour: "voice", unit: data.units[0], quantity: "f", gate: "" };
let tune = null;

// Drawing.

const voiceColour = (voice) => (voice < 8 ? css(`--voice${voice}`) : `hsl(${137.5 * voice} 55% 50%)`); // a band has many
function colours() {
  const kind = chosen.colour;
  if (kind === "cost")
    return [(k) => between(css("--low"), css("--high"), clamp(tune.cost[tune.place[k]] / 4, 0, 1)),
      "Surprise: pale notes were expected, red ones cost 4 nats or more."];
  if (kind === "voice") return [(k) => voiceColour(tune.voice[k]), ""];
  const gradients = chosen.note >= 0 && gradientsOf(tune, chosen.note, kind);
  if (!gradients) return [() => css("--low"), tune.watch ? "Choose one of the first notes to see its gradient." : "Gradients are kept for the first tunes of the list only."];
  const most = Math.max(...gradients), letter = kind.slice(-1);
  return [
    (k) => (k === chosen.note ? css("--head") : between(css("--low"), css("--deep"), gradients[k] && clamp(1 + Math.log10(gradients[k] / most) / 4, 0, 1))),
    `Each earlier note: |d nats of the chosen note / d ${letter}| after it was read, at most ${most.toPrecision(3)}; the darkest is the largest, the palest a ten-thousandth of it.`,
  ];
}

function render() {
  if (!tune) return;
  palette.clear();
  const head = player.head, [colourOf, legend] = colours();
  if (player.playing) {
    show(head);
    const heard = lastStruck(head);
    if (heard >= 0 && tune.place[heard] !== chosen.place) choosePlace(tune.place[heard]);
  }
  drawRoll(tune, head, colourOf, chosen.note);
  $("legend").textContent = legend;
  $("seek").value = head;
  $("where").textContent = `${placeName(tune, head)} of ${Math.ceil(tune.beats / barBeats(tune))} bars`;
  $("seek").setAttribute("aria-valuetext", $("where").textContent);
  $("play").textContent = player.playing ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(player.playing));
  if (tune.watch) {
    drawLines(tune, head, chosen.unit, Number($("found").value || -1));
    drawStrip(tune, head, chosen.quantity, chosen.unit);
    if (chosen.gate) {
      const lines = equationLines(tune, head, chosen.unit, chosen.gate);
      $("equation").replaceChildren(...lines.map((line) => element("p", {}, line)));
    }
  }
}
let asked = false;
function draw() { // once for each picture of the screen
  if (!asked) requestAnimationFrame(() => { asked = false; render(); if (player.playing) draw(); });
  asked = true;
}
player.onEnd = draw;

// The highest of the notes that were struck last.
function lastStruck(beat) {
  let best = -1;
  for (let k = 0; k < tune.pitch.length; k++) {
    if (tune.start[k] > beat + 1e-4) continue;
    const later = best < 0 ? 1 : tune.start[k] - tune.start[best];
    if (later > 1e-6 || (later > -1e-6 && tune.pitch[k] > tune.pitch[best])) best = k;
  }
  return best;
}

// Choosing.

async function openTune(k) {
  player.pause();
  tune = await loadTune(k);
  Object.assign(chosen, { tune: k, note: -1 });
  player.open(tune);
  Object.assign(view, { left: 0, scale: clamp($("roll").clientWidth / 20, 24, 44), tune });
  for (const button of document.querySelectorAll("#tunes button")) button.setAttribute("aria-pressed", String(Number(button.value) === k));
  const facts = [`${tune.title}:`, tune.remark && `${tune.remark};`, `${tune.key}, ${tune.meter.join("/")}, ${Math.round(tune.bpm)} beats a minute; ${tune.ids.length - 1} tokens,`, `${tune.nats.toFixed(3)} nats a token.`, tune.ended ? "" : "It does not end by itself."];
  $("tune-facts").textContent = facts.filter(Boolean).join(" ");
  $("seek").max = tune.beats;
  $("voices").replaceChildren(...tune.voices.map(({ name, sound }, voice) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = voiceColour(voice);
    const sounds = element("input", { type: "checkbox", checked: true, onchange() { player.mute(voice, !sounds.checked); draw(); } });
    const choice = element("select", { onchange() { tune.voices[voice].sound = choice.value; } },
      ...(sound === "drums" ? ["drums"] : Object.keys(SOUNDS).filter((other) => other !== "drums")).map((other) =>
        element("option", { value: other, selected: other === sound }, other)));
    choice.setAttribute("aria-label", `How ${name} sounds`);
    return element("span", { className: "bar" }, element("label", {}, sounds, swatch, name), choice);
  }));
  $("units").hidden = !tune.watch;
  $("note-text").textContent = "";
  const first = lastStruck(tune.start[0] ?? 0);
  if (first >= 0) choosePlace(tune.place[first]);
  draw();
}

function choosePlace(place) {
  chosen.place = place;
  showExpectation(tune, place);
  showMoment(tune, place, (other) => { choosePlace(other); draw(); });
}

function chooseNote(k) {
  if (k < 0 || k >= tune.pitch.length) return;
  chosen.note = k;
  if (!chosen.colour.startsWith("by_")) document.querySelector('input[value="by_h"]').click();
  if (!player.playing) player.seek(tune.start[k]);
  show(tune.start[k]);
  choosePlace(tune.place[k]);
  const voice = tune.voices[tune.voice[k]], gradients = gradientsOf(tune, k, "by_h");
  const name = voice.sound === "drums" ? `drum ${tune.pitch[k]}` : pitchName(tune.pitch[k]);
  const reach = gradients && gradients.filter((value) => value > Math.max(...gradients) / 100).length;
  $("note-text").textContent = `${name}, ${placeName(tune, tune.start[k])}, ${tune.cost[tune.place[k]].toFixed(3)} nats` +
    (gradients ? `; ${reach} earlier notes have at least a hundredth of the largest gradient.` : ".");
  draw();
}

function chooseUnit(unit) {
  if (!(unit >= 0 && unit < data.hidden)) return;
  chosen.unit = unit;
  $("unit").value = unit;
  const followed = data.found.filter((one) => one.unit === unit);
  $("found").value = followed.some((one) => String(data.found.indexOf(one)) === $("found").value) ? $("found").value : String(data.found.indexOf(followed[0]));
  $("unit-text").textContent = followed.length
    ? `Unit ${unit}: ` + followed.map((one) => `its ${one.quantity} follows "${one.name}" (r = ${signed(one.heard)} on songs that it was not found on; chance reaches ${one.chance.toFixed(2)})`).join("; ") + "."
    : `Unit ${unit} follows none of the things that were tried.`;
  draw();
}

// Building the page.

function buildTunes() {
  const groups = new Map();
  data.tunes.forEach(({ title, group }, k) => {
    if (data.changes.some(({ after }) => after === k)) return; // it stands under "What if"
    const button = element("button", { type: "button", value: k, onclick: () => openTune(k) }, title);
    groups.set(group, [...(groups.get(group) ?? []), button]);
  });
  for (const [group, buttons] of groups) {
    const box = element("div", {}, ...buttons);
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", group);
    $("tunes").append(element("h3", {}, group), box);
  }
}

function buildChanges() {
  $("what-if").hidden = !data.changes.length;
  const cell = (text) => element("td", {}, text);
  for (const { words, before, after, nats_before, nats_after } of data.changes) {
    const rows = [["A", before], ["B", after]].map(([letter, k]) => {
      const { title, key, nats, strong, beats, meter } = data.tunes[k];
      const play = element("button", { type: "button", onclick: async () => { await openTune(k); await player.play(); draw(); } }, `Play ${letter}`);
      play.setAttribute("aria-label", `Play ${letter}: ${title}`);
      return element("tr", {}, element("td", {}, play), cell(nats.toFixed(3)), cell(key), cell(meter.join("/")),
        cell(strong === null ? "–" : percent(strong)), cell((beats / (4 * meter[0] / meter[1])).toFixed(1)));
    });
    const head = ["", "nats a token", "key", "meter", "chords on the beat", "bars"].map((text) => element("th", { scope: "col" }, text));
    const sentence = nats_before === 0 ? "" : `Songs it has not seen cost ${nats_before.toFixed(3)} nats a token as it is, and ${nats_after.toFixed(3)} with the change.`;
    $("changes").append(element("article", {}, element("h3", {}, words),
      element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)),
      element("p", { className: "small" }, sentence)));
  }
}

function build() {
  document.title = data.title;
  $("title").textContent = data.title;
  $("about").textContent = `An LSTM of ${data.layers} ${data.layers === 1 ? "layer" : "layers"} with ${data.hidden} units wrote these tunes, token by token. Sound begins when you press Play.`;
  buildTunes();
  buildChanges();
  $("found").append(...data.found.map(({ name, quantity, unit, heard }, k) => element("option", { value: k }, `${name}: ${quantity} of unit ${unit} (r ${signed(heard)})`)));
  $("found-label").hidden = !data.found.length;
  $("unit").max = data.hidden - 1;
  for (const [quantity, words] of Object.entries(QUANTITIES)) {
    $("quantity").append(element("option", { value: quantity, selected: quantity === chosen.quantity }, words));
    const button = element("button", { type: "button", onclick() {
      chosen.gate = chosen.gate === quantity ? "" : quantity;
      if (!chosen.gate) $("equation").replaceChildren();
      for (const other of $("gates").children) other.setAttribute("aria-pressed", String(other === button && chosen.gate === quantity));
      draw();
    } }, `${quantity} =`);
    button.setAttribute("aria-pressed", "false");
    $("gates").append(button);
  }
  if (data.learned) {
    drawLearned(data.learned);
    $("learned").hidden = !$("charts").children.length;
  }
  if (data.found.length) chooseFound(0); else chooseUnit(chosen.unit);
}
function chooseFound(k) {
  $("found").value = String(k);
  chosen.quantity = $("quantity").value = data.found[k].quantity;
  chooseUnit(data.found[k].unit);
}

// Mouse and keys.

async function playOrPause() {
  if (player.playing) player.pause(); else await player.play();
  draw();
}
$("play").onclick = playOrPause;
$("seek").oninput = () => { player.seek(Number($("seek").value)); show(player.head); draw(); };
$("tempo").oninput = () => { player.setTempo(Number($("tempo").value) / 100); $("tempo-text").textContent = `${$("tempo").value} %`; };
$("tempo-text").textContent = "100 %";
$("volume").oninput = () => player.setVolume((Number($("volume").value) / 100) ** 2);
for (const radio of document.querySelectorAll('input[name="colour"]')) radio.onchange = () => { chosen.colour = radio.value; draw(); };
$("found").onchange = () => chooseFound(Number($("found").value));
$("unit").onchange = () => chooseUnit(Number($("unit").value));
$("quantity").onchange = () => { chosen.quantity = $("quantity").value; draw(); };
$("roll").onclick = (event) => {
  const k = noteAt(tune, event.offsetX, event.offsetY, $("roll").clientHeight);
  if (k >= 0) chooseNote(k); else { player.seek(toBeat(event.offsetX)); draw(); }
};
$("lines").onclick = (event) => $("gates").children[Math.floor((6 * event.offsetY) / $("lines").clientHeight)].click();
$("strip").onclick = (event) => chooseUnit(tune.watch.order[Math.floor((data.hidden * event.offsetY) / $("strip").clientHeight)]);
$("roll").onkeydown = (event) => {
  const zoom = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key], step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (zoom) view.scale = clamp(view.scale * zoom, 8, 200);
  else if (step) chooseNote(clamp(chosen.note < 0 ? lastStruck(player.head) : chosen.note + step, 0, tune.pitch.length - 1));
  else if (event.key === "Home") { player.seek(0); show(0); }
  else if (event.key === " ") playOrPause();
  else return;
  event.preventDefault();
  draw();
};
for (const canvas of ["roll", "lines", "strip"])
  $(canvas).addEventListener("wheel", (event) => {
    if (Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return; // the page scrolls up and down
    event.preventDefault();
    view.left = clamp(view.left + event.deltaX / view.scale, 0, Math.max(0, tune.beats + 1 - seenBeats()));
    draw();
  }, { passive: false });
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

(async () => {
  build();
  await openTune(0);
})().catch((error) => {
  $("fault").hidden = false;
  $("fault").textContent = `This browser cannot show the page (${error.message}); a newer one can.`;
  throw error;
});
