// The lock screen: badge, then PIN, typed or scanned; and the first PIN of somebody new.
import { ask } from "./badge.js";

const echo = document.getElementById("echo");
const lock = document.querySelector(".lock");
const form = document.getElementById("sign-in");
const first = document.getElementById("first");
const out = document.getElementById("sign-out");

function say(tone, text) {
  echo.className = `echo toast ${tone}`;
  echo.textContent = text;
}

async function send(method, url, body) {
  try {
    const reply = await ask(method, url, body);
    say(reply.accepted ? "taken" : "refused", (reply.accepted ? "\u2713 " : "\u2717 ") + reply.sentence);
    return reply.accepted;
  } catch {
    say("refused", `\u2717 ${document.body.dataset.silent}`);
    return false;
  }
}

// Digits and commands of the sheet arrive in the field as they stand on it: CMD-1 CMD-2 … CMD-OK.
function scannedPin(input) {
  const text = input.value.toUpperCase();
  if (text.endsWith("CMD-CLEAR")) return { pin: "", done: false };
  const pin = text.replace("CMD-OK", "").replace(/CMD-([0-9])/g, "$1");
  return { pin, done: !/CMD-[0-9]$/.test(text) };
}

async function signIn() {
  const { badge, pin } = form.elements;
  if (document.activeElement === badge) {
    pin.focus();
    return;
  }
  const entered = scannedPin(pin);
  pin.value = entered.done ? "" : entered.pin;
  if (!entered.done) return;
  if (await send("POST", "/api/session", { badge: badge.value.trim(), pin: entered.pin })) {
    location.assign(lock.dataset.back);
    return;
  }
  badge.value = "";
  badge.focus();
}

async function choose() {
  const { badge, code, pin, again } = first.elements;
  if (pin.value !== again.value) {
    say("refused", `\u2717 ${lock.dataset.differ}`);
    return;
  }
  const body = { badge: badge.value.trim(), code: code.value.trim(), pin: pin.value };
  pin.value = again.value = "";
  if (await send("POST", "/api/session/pin", body)) location.assign(lock.dataset.back);
}

function on(target, event, act) {
  target?.addEventListener(event, (happened) => {
    happened.preventDefault();
    act();
  });
}

on(form, "submit", signIn);
on(first, "submit", choose);
on(out, "click", async () => {
  if (await send("DELETE", "/api/session")) location.assign("/lock");
});
