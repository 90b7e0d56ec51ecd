// Sends the forms of a page, says what became of it, and shows the page anew where something was done.
const SHOWN_MS = 1800;
const LONGEST_MS = 20000;
const echo = document.getElementById("echo");

function say(tone, text) {
  echo.className = `echo toast ${tone}`;
  echo.textContent = text;
}

async function send(form, body) {
  const headers = { "Content-Type": "application/json" };
  try {
    const signal = AbortSignal.timeout(LONGEST_MS);
    const answer = await fetch(form.dataset.post, { method: "POST", headers, body: JSON.stringify(body), signal });
    const reply = await answer.json();
    say(reply.accepted ? "taken" : "refused", (reply.accepted ? "\u2713 " : "\u2717 ") + reply.sentence);
    if (reply.accepted && !form.dataset.stay) setTimeout(() => location.assign(form.dataset.then ?? location.href), SHOWN_MS);
  } catch {
    say("refused", `\u2717 ${document.body.dataset.silent}`);
  }
}

// Ticked boxes of one name come as one text, separated by commas.
function fields(form) {
  const data = new FormData(form);
  return Object.fromEntries([...new Set(data.keys())].map((name) => [name, data.getAll(name).join(",")]));
}

// A page about what goes on now is drawn anew by itself, unless somebody is about to do something on it.
const LIVE_MS = 5000;
const main = document.querySelector("main[data-live]");

async function refresh() {
  if (document.hidden || main.querySelector("details[open], :focus")) return;
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(LIVE_MS) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main[data-live]");
    if (!fresh) location.reload();
    else if (!main.querySelector("details[open], :focus")) main.replaceChildren(...fresh.childNodes);
    main.classList.remove("old");
  } catch {
    main.classList.add("old");
  }
}

if (main) setInterval(refresh, LIVE_MS);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.post) return;
  event.preventDefault();
  if (form.reportValidity()) send(form, fields(form));
});
