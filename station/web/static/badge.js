// Collects a badge and its PIN, scanned or typed, so that both reach the station at once and the PIN is never shown.
const WAIT_MS = 60000;
const BADGE = /^BG-[A-Z0-9]{4,24}$/;
// Also what is too short or too long: a PIN that was mistyped must not go on its way as a scan.
const PIN = /^[0-9]{1,64}$/;
const DIGIT = /^CMD-([0-9])$/;
const LONGEST_PIN = 8;
const NOTHING = { badge: "", digits: "", until: 0 };
let entry = NOTHING;

export function waiting() {
  return entry.badge !== "" && performance.now() < entry.until;
}

export function forget() {
  entry = NOTHING;
}

function begin(badge) {
  entry = { badge, digits: "", until: performance.now() + WAIT_MS };
  return { kind: "badge" };
}

function finish(pin) {
  const { badge } = entry;
  forget();
  return { kind: "send", body: { badge, pin } };
}

function digit(found) {
  if (entry.digits.length < LONGEST_PIN) entry.digits += found;
  return { kind: "digits", count: entry.digits.length };
}

// Returns what a code means for signing in or out, or null for every other code; that ends a PIN that was begun.
export function take(code) {
  if (BADGE.test(code)) return begin(code);
  if (code === "CMD-OUT") {
    forget();
    return { kind: "out" };
  }
  if (!waiting()) return null;
  if (PIN.test(code)) return finish(code);
  if (DIGIT.test(code)) return digit(DIGIT.exec(code)[1]);
  if (code === "CMD-OK") return finish(entry.digits);
  if (code === "CMD-CLEAR") return begin(entry.badge);
  forget();
  return null;
}

export async function ask(method, url, body) {
  const answer = await fetch(url, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(8000),
  });
  return answer.json();
}
