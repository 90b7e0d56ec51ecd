// Shows what a file of orders would do; the import itself is a form like every other.
const LONGEST_MS = 120000;
const echo = document.getElementById("echo");
const drop = document.getElementById("drop");
const preview = document.getElementById("preview");
const commit = document.getElementById("commit");

function say(text) {
  echo.className = "echo toast refused";
  echo.textContent = `\u2717 ${text}`;
}

function put(id, text) {
  document.getElementById(id).textContent = text;
}

function fill(id, rows) {
  const table = document.getElementById(id);
  table.hidden = rows.length === 0;
  table.tBodies[0].replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    for (const cell of cells) row.insertCell().textContent = cell;
    return row;
  }));
}

function show(file) {
  const verdict = document.getElementById("verdict");
  verdict.className = `badge ${file.importable ? "pass" : "fail"}`;
  verdict.textContent = file.importable ? verdict.dataset.good : verdict.dataset.bad;
  for (const id of ["name", "sentence", "new", "same", "refused"]) put(id, file[id]);
  fill("orders", file.orders.map((one) => [one.id, one.product, one.quantity, one.customer, one.serials]));
  const line = (number) => preview.dataset.line.replace("{number}", number);
  fill("problems", file.problems.map((one) => [line(one.line), one.order, one.sentence]));
  commit.elements.sha256.value = file.sha256;
  commit.hidden = !file.importable;
  preview.hidden = false;
}

async function look(file) {
  preview.hidden = true;
  echo.textContent = "";
  const options = { method: "POST", body: file, signal: AbortSignal.timeout(LONGEST_MS) };
  try {
    const answer = await fetch(`/api/orders/preview?name=${encodeURIComponent(file.name)}`, options);
    const found = await answer.json();
    if (answer.ok) show(found);
    else say(found.sentence);
  } catch {
    say(document.body.dataset.silent);
  }
}

document.getElementById("file").addEventListener("change", (event) => {
  if (event.target.files[0]) look(event.target.files[0]);
  event.target.value = "";
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) look(event.dataTransfer.files[0]);
  });
}
