// A synthesiser of five sounds on Web Audio, and the player that schedules notes ahead of time.

// Each sound: notes of hz Hertz from time t, `held` seconds long and `loud` 0..1, into the node out.
const SOUNDS = {
  // A triangle wave and its octave, which die away as strings of a piano do.
  struck(out, hz, t, held, loud) {
    const end = t + Math.min(held + 0.15, 3);
    const gain = shape(out, [[t, 0], [t + 0.004, loud], [t + 0.3, loud * 0.4], [end, 0]]);
    tone(gain, "triangle", hz, t, end);
    tone(shape(gain, [[t, 0.3], [t + 0.4, 0.02]]), "sine", 2 * hz, t, end);
  },
  // Bright at first, and dull soon: a low-pass filter closes over a saw.
  plucked(out, hz, t, held, loud) {
    const end = t + Math.min(held + 0.25, 2);
    const gain = shape(out, [[t, 0], [t + 0.003, loud * 0.8], [t + 0.25, loud * 0.3], [end, 0]]);
    const dull = filter(gain, "lowpass", 8 * hz, t);
    dull.frequency.exponentialRampToValueAtTime(1.5 * hz, t + 0.3);
    tone(dull, "sawtooth", hz, t, end);
  },
  // A saw that swells, with a vibrato of 5.5 Hertz.
  bowed(out, hz, t, held, loud) {
    const end = t + held + 0.1;
    const gain = shape(out, [[t, 0], [t + Math.min(0.05, held / 2), loud * 0.45], [t + held, loud * 0.4], [end, 0]]);
    const string = tone(filter(gain, "lowpass", Math.min(5 * hz, 6000), t), "sawtooth", hz, t, end);
    if (held > 0.3) tone(shape(string.frequency, [[t, 0], [t + 0.3, 0.005 * hz]]), "sine", 5.5, t, end);
  },
  // Air in a pipe: a soft square wave that speaks at once and holds.
  blown(out, hz, t, held, loud) {
    const end = t + held + 0.06;
    const gain = shape(out, [[t, 0], [t + Math.min(0.03, held / 2), loud * 0.4], [t + held, loud * 0.35], [end, 0]]);
    tone(filter(gain, "lowpass", 3 * hz, t), "square", hz, t, end);
  },
  // Drums: a falling sine for the big ones, noise for the others, short and high for cymbals.
  drums(out, hz, t, held, loud, key) {
    const big = [35, 36, 41, 43, 45, 47, 48, 50].includes(key), high = key >= 42 && !big;
    const end = t + (big ? 0.3 : high ? 0.12 : 0.2);
    const gain = shape(out, [[t, loud], [end, 0]]);
    if (big) {
      const skin = tone(gain, "sine", key < 40 ? 150 : 220, t, end);
      skin.frequency.exponentialRampToValueAtTime(key < 40 ? 45 : 90, t + 0.15);
    } else {
      const noise = new AudioBufferSourceNode(out.context, { buffer: noiseOf(out.context) });
      noise.connect(filter(gain, high ? "highpass" : "bandpass", high ? 6000 : 1800, t));
      noise.start(t);
      noise.stop(end);
    }
  },
};

function tone(out, type, hz, t, end) {
  const wave = new OscillatorNode(out.context, { type, frequency: hz });
  wave.connect(out);
  wave.start(t);
  wave.stop(end);
  return wave;
}
// A gain that goes through [time, value] points on straight lines; out is a node or a parameter.
function shape(out, points) {
  const gain = new GainNode(audio, { gain: 0 });
  gain.gain.setValueAtTime(points[0][1], points[0][0]);
  for (const [time, value] of points.slice(1)) gain.gain.linearRampToValueAtTime(value, time);
  gain.connect(out);
  return gain;
}
function filter(out, type, hz, t) {
  const node = new BiquadFilterNode(audio, { type, frequency: Math.min(hz, 16000), Q: 0.7 });
  node.frequency.setValueAtTime(Math.min(hz, 16000), t);
  node.connect(out);
  return node;
}
let noise = null;
function noiseOf(context) {
  noise ??= new AudioBuffer({ length: context.sampleRate / 2, sampleRate: context.sampleRate });
  const samples = noise.getChannelData(0);
  if (!samples[0]) samples.forEach((_, k) => (samples[k] = 2 * Math.random() - 1));
  return noise;
}

let audio = null; // made at the first click: browsers allow no sound before

const player = {
  tune: null, playing: false, tempo: 1, volume: 0.5, muted: new Set(), bus: null, master: null, voices: [],
  from: 0, since: 0, next: 0, timer: 0, order: [],

  // Where the head is, in beats.
  get head() {
    if (!this.playing) return this.from;
    return clamp(this.from + Math.max(0, audio.currentTime - this.since) * this.speed, 0, this.tune.beats);
  },
  get speed() { return (this.tune.bpm * this.tempo) / 60; }, // beats per second

  open(tune) {
    this.pause();
    Object.assign(this, { tune, from: 0, muted: new Set() });
    this.order = [...tune.start.keys()].sort((a, b) => tune.start[a] - tune.start[b]);
  },
  async play() {
    if (!audio) {
      audio = new AudioContext();
      this.master = new GainNode(audio, { gain: this.volume });
      this.master.connect(new DynamicsCompressorNode(audio)).connect(audio.destination);
    }
    await audio.resume();
    if (this.from >= this.tune.beats - 1e-6) this.from = 0;
    this.playing = true;
    this.begin();
  },
  pause() {
    this.from = this.tune ? this.head : 0;
    this.playing = false;
    clearInterval(this.timer);
    this.bus?.disconnect(); // what was scheduled is heard no more
  },
  seek(beat) { this.change(() => (this.from = clamp(beat, 0, this.tune.beats))); },
  setTempo(tempo) { this.change(() => (this.tempo = tempo)); },
  // Do something that the notes scheduled already do not know of, and begin anew from here.
  change(what) {
    if (this.playing) this.from = this.head;
    what();
    if (this.playing) this.begin();
  },
  setVolume(volume) {
    this.volume = volume;
    this.master?.gain.setTargetAtTime(volume, audio.currentTime, 0.02);
  },
  mute(voice, silent) {
    if (silent) this.muted.add(voice); else this.muted.delete(voice);
    this.voices[voice]?.gain.setTargetAtTime(silent ? 0 : 1, audio.currentTime, 0.01);
  },

  begin() {
    clearInterval(this.timer);
    this.bus?.disconnect();
    this.bus = new GainNode(audio, { gain: 0.25 });
    this.bus.connect(this.master);
    this.voices = this.tune.voices.map((_, k) => new GainNode(audio, { gain: this.muted.has(k) ? 0 : 1 }));
    for (const voice of this.voices) voice.connect(this.bus);
    this.since = audio.currentTime + 0.06;
    this.next = this.order.findIndex((k) => this.tune.start[k] >= this.from - 1e-6);
    if (this.next < 0) this.next = this.order.length;
    this.timer = setInterval(() => this.schedule(), 60);
    this.schedule();
  },
  // Hand over all notes of the next moments; more of them where the page is not seen, and timers are slow.
  schedule() {
    const until = audio.currentTime + (document.hidden ? 2.5 : 0.4);
    for (; this.next < this.order.length; this.next++) {
      const k = this.order[this.next], { tune } = this;
      const t = this.since + (tune.start[k] - this.from) / this.speed;
      if (t > until) break;
      const hz = 440 * 2 ** ((tune.pitch[k] - 69) / 12), held = Math.max(0.05, (0.95 * tune.duration[k]) / this.speed);
      const voice = tune.voice[k];
      SOUNDS[tune.voices[voice].sound](this.voices[voice], hz, t, held, (tune.velocity[k] / 127) ** 1.5, tune.pitch[k]);
    }
    if (this.head >= this.tune.beats) { this.pause(); this.onEnd(); }
  },
  onEnd() {},
};
