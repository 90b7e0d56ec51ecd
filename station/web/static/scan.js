// Takes scans from a keyboard-wedge scanner without focus, and echoes what became of them.
// A scanner types every 7-16 ms and ends with Enter; a person does not.
import { ask, forget, take, waiting } from "./badge.js";
import { play } from "./sound.js";

const GAP_MS = 80;
const SAME_CODE_MS = 1000;
const echo = document.getElementById("echo");
const form = document.getElementById("typed");
const heard = document.getElementById("heard");
let heardLast = heard.querySelector("[data-heard]")?.dataset.heard;
let buffer = "";
let lastKey = -Infinity;
let lastCode = { code: "", at: -Infinity };
let turn = Promise.resolve();

function say(tone, text) {
  echo.className = `echo ${tone}`;
  echo.textContent = text;
}

function select(slot) {
  if (!slot) return;
  for (const frame of document.querySelectorAll(".frame")) {
    frame.classList.toggle("selected", frame.dataset.slot === slot);
  }
}

function answer(tone, slot, sentence) {
  select(slot);
  play(tone);
  say(tone, (tone === "taken" ? "\u2713 " : "\u2717 ") + sentence);
}

// What the station's own scanner read is answered here too, once: a page that opens or reconnects has seen it.
function hear() {
  const last = heard.querySelector("[data-heard]");
  if (!last || last.dataset.heard === heardLast) return;
  heardLast = last.dataset.heard;
  answer(last.dataset.tone, last.dataset.slot, last.textContent);
}

// One after the other, as they were scanned: two requests under way may reach the station in either order.
// What was scanned behind one that was lost is lost with it, as nobody expects it to count seconds later.
export async function post(url, body, doing, method = "POST") {
  say("reading", doing);
  const mine = turn.then(() => ask(method, url, body));
  turn = mine;
  try {
    const reply = await mine;
    answer(reply.accepted ? "taken" : "refused", reply.slot, reply.sentence);
  } catch {
    turn = Promise.resolve();
    play("refused");
    say("refused", `\u2717 ${document.body.dataset.silent}`);
  }
}

// A PIN is typed or scanned unseen: the field for codes hides what is in it as long as one is waited for.
function hide() {
  const input = form.elements.code;
  input.type = waiting() ? "password" : "text";
  if (waiting()) input.focus();
  else input.blur();
}

// Whoever comes next may scan what the one before scanned last.
function signing(step) {
  lastCode = { code: "", at: -Infinity };
  const words = document.body.dataset;
  if (step.kind === "badge") say("reading", words.pin);
  else if (step.kind === "digits") say("reading", "\u2022".repeat(step.count));
  else if (step.kind === "out") post("/api/session", undefined, words.out, "DELETE");
  else post("/api/session", step.body, words.in);
  hide();
}

export function scanned(code) {
  const now = performance.now();
  const secret = waiting();
  const step = take(code);
  if (step) return signing(step);
  if (secret) hide();
  if (code === lastCode.code && now - lastCode.at < SAME_CODE_MS) return;
  lastCode = { code, at: now };
  post("/api/scan", { code }, document.body.dataset.read.replace("{code}", () => code));
}

function typing(target) {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

// Control characters in a barcode arrive as Ctrl+letter: kept, so that the station refuses the scan with a reason.
function characterOf(event) {
  if (event.ctrlKey && /^[a-z]$/i.test(event.key)) return String.fromCharCode(event.key.toUpperCase().charCodeAt(0) & 31);
  return event.key.length === 1 && !event.metaKey && !event.altKey ? event.key : "";
}

function onKey(event) {
  if (typing(event.target)) return;
  const pause = event.timeStamp - lastKey;
  const inBurst = buffer !== "" && pause <= GAP_MS;
  if (!inBurst) buffer = "";
  if (event.key === "Enter" && buffer.length > 1) {
    event.preventDefault();
    scanned(buffer);
    buffer = "";
  } else if (event.key === "Escape" && !inBurst) {
    document.getElementById("seen")?.click();
  } else if (characterOf(event) && (!event.ctrlKey || inBurst)) {
    // A scan must not press the focused button or scroll; one lone Space still may.
    if (inBurst || event.key !== " ") event.preventDefault();
    buffer += characterOf(event);
  }
  if (event.key !== "Shift" && event.key !== "Control") lastKey = event.timeStamp;
}

document.body.addEventListener("htmx:sseMessage", (event) => event.target === heard && hear());
document.addEventListener("keydown", onKey, { capture: true });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = form.elements.code;
  if (input.value.trim()) scanned(input.value);
  input.value = "";
  hide();
});
setInterval(() => {
  if (form.elements.code.type === "password" && !waiting()) {
    forget();
    form.elements.code.value = "";
    hide();
  }
}, 1000);
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-post]") : null;
  if (button) post(button.dataset.post, button.dataset.action ? { action: button.dataset.action } : {}, `${button.textContent.trim()} \u2026`);
});
