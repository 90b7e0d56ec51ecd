// Takes scans from a keyboard-wedge scanner without focus, and echoes what became of them.
// A scanner types every 7-16 ms and ends with Enter; a person does not.
import { play } from "./sound.js";

const GAP_MS = 80;
const SAME_CODE_MS = 2000;
const echo = document.getElementById("echo");
const form = document.getElementById("typed");
let buffer = "";
let lastKey = -Infinity;
let lastCode = { code: "", at: -Infinity };

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

export async function post(url, body, doing) {
  say("reading", doing);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(4000),
    });
    const reply = await response.json();
    select(reply.slot);
    play(reply.accepted ? "taken" : "refused");
    say(reply.accepted ? "taken" : "refused", (reply.accepted ? "\u2713 " : "\u2717 ") + reply.sentence);
  } catch {
    play("refused");
    say("refused", "\u2717 The station did not answer. Nothing was taken.");
  }
}

export function scanned(code) {
  const now = performance.now();
  if (code === lastCode.code && now - lastCode.at < SAME_CODE_MS) return;
  lastCode = { code, at: now };
  post("/api/scan", { code }, `${code} read \u2026`);
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

document.addEventListener("keydown", onKey, { capture: true });
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = form.elements.code;
  if (input.value.trim()) scanned(input.value);
  input.value = "";
  input.blur();
});
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-post]") : null;
  if (button) post(button.dataset.post, button.dataset.action ? { action: button.dataset.action } : {}, `${button.textContent.trim()} \u2026`);
});
