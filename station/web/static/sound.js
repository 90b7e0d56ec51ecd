// Short tones that tell verdicts apart with closed eyes. [frequency in Hz, start in s, length in s]
const TUNES = {
  taken: ["sine", [[1320, 0, 0.06]]],
  refused: ["square", [[220, 0, 0.09], [220, 0.13, 0.09]]],
  pass: ["sine", [[660, 0, 0.14], [880, 0.15, 0.14], [1320, 0.3, 0.3]]],
  fail: ["sawtooth", [[196, 0, 0.35], [147, 0.4, 0.35], [110, 0.8, 0.6]]],
  error: ["triangle", [[520, 0, 0.18], [390, 0.2, 0.18], [520, 0.4, 0.18], [390, 0.6, 0.18]]],
  aborted: ["triangle", [[330, 0, 0.4]]],
};
const LATE_MS = 800;
const audio = new AudioContext();
const button = document.getElementById("sound");

function show() {
  button.hidden = audio.state === "running";
}

// Browsers keep a page silent until someone has touched a key or the screen (a kiosk can be told not to).
function wake() {
  return audio.resume().then(show, show);
}

function sound([shape, tones]) {
  for (const [frequency, start, length] of tones) {
    const tone = new OscillatorNode(audio, { type: shape, frequency });
    const volume = new GainNode(audio, { gain: 0.25 });
    const begin = audio.currentTime + start;
    volume.gain.setTargetAtTime(0, begin + length * 0.7, length * 0.1);
    tone.connect(volume).connect(audio.destination);
    tone.start(begin);
    tone.stop(begin + length);
  }
}

export function play(name) {
  document.documentElement.dataset.sound = name;
  const asked = performance.now();
  // What could not sound at its time is dropped: a verdict that sounds later would belong to nothing.
  wake().then(() => {
    if (audio.state === "running" && performance.now() - asked < LATE_MS) sound(TUNES[name] ?? TUNES.error);
  });
}

for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, wake, { capture: true });
audio.addEventListener("statechange", show);
show();
wake();
