// Keeps the page honest: covers it when the station is silent, counts seconds, sounds each verdict once.
import { play } from "./sound.js";

const SILENT_MS = 5000;
const RELOAD_MS = 12000;
const cover = document.getElementById("stale");
const behind = document.querySelectorAll("body > header, body > main, body > footer, #band");
const known = new Set();
const started = new WeakMap();
let lastSign = performance.now();

function sign(event) {
  lastSign = performance.now();
  uncover();
  if (event.target.id === "beat") freshShape();
  if (event.target.id === "band") soundVerdicts(true);
}

function freshShape() {
  const shape = document.querySelector("#beat [data-shape]")?.dataset.shape;
  if (shape && shape !== document.body.dataset.shape) location.reload();
}

function soundVerdicts(aloud) {
  for (const verdict of document.querySelectorAll("[data-verdict]")) {
    const key = verdict.dataset.verdict;
    if (aloud && !known.has(key)) play(verdict.dataset.tone);
    known.add(key);
  }
}

function uncover() {
  cover.hidden = true;
  for (const part of behind) part.inert = false;
}

function coverUp() {
  cover.hidden = false;
  for (const part of behind) part.inert = true;
}

function count() {
  const now = performance.now();
  for (const clock of document.querySelectorAll("[data-since]")) {
    if (!started.has(clock)) started.set(clock, now - 1000 * Number(clock.dataset.since));
    const seconds = Math.floor((now - started.get(clock)) / 1000);
    clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

// The stream reconnects by itself; if it has not although the station answers, a fresh page does.
async function reviveIfAnswered() {
  const answer = await fetch("/healthz", { signal: AbortSignal.timeout(2000) }).catch(() => null);
  if (answer?.ok && performance.now() - lastSign > RELOAD_MS) location.reload();
}

setInterval(() => {
  const silent = performance.now() - lastSign;
  if (silent > SILENT_MS) coverUp();
  else count();
}, 250);
setInterval(() => {
  if (performance.now() - lastSign > RELOAD_MS) reviveIfAnswered();
}, 3000);
document.body.addEventListener("htmx:sseMessage", sign);
soundVerdicts(false);
