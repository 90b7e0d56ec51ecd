// Draws the charts of the page of figures from the numbers that stand in it.
const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const [INK, SOFT, LINE, PASS, FAIL] = ["ink", "soft", "line", "pass", "fail"].map(tone);

function axis(more) {
  return { stroke: SOFT, grid: { stroke: LINE, width: 1 }, ticks: { stroke: LINE }, ...more };
}

function bars(label, color, shift) {
  return { label, stroke: color, fill: color, points: { show: false }, paths: uPlot.paths.bars({ size: [0.4, 60], align: shift }) };
}

// Hours and days stand side by side, each with its name: by the clock of the factory, as the tables have it.
function course(box) {
  const data = JSON.parse(box.dataset.course);
  const most = Math.max(4, ...data.released, ...data.failed), last = data.names.length - 1;
  const named = (_, all) => all.map((at) => (Number.isInteger(at) ? data.names[at] ?? "" : ""));
  new uPlot({
    width: box.clientWidth, height: 260,
    scales: { x: { time: false, range: [-0.6, last + 0.6] }, y: { range: [0, most * 1.1] }, yield: { range: [0, 100] } },
    axes: [
      axis({ values: named, space: 52, incrs: [1, 2, 3, 4, 6, 7, 12] }), axis({ incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] }),
      axis({ side: 1, scale: "yield", grid: { show: false }, size: 64, values: (_, all) => all.map((one) => `${one} %`) }),
    ],
    series: [
      { label: box.dataset.when, value: (_, at) => data.names[at] ?? "–" },
      bars(box.dataset.released, PASS, -1), bars(box.dataset.failed, FAIL, 1),
      { label: box.dataset.yield, scale: "yield", stroke: INK, width: 2, spanGaps: true, value: (_, one) => (one === null ? "–" : `${one} %`) },
    ],
  }, [data.names.map((_, at) => at), data.released, data.failed, data.first_pass], box);
}

// One value after the other, with the limits as lines.
function values(box) {
  const { values: taken, low, high } = JSON.parse(box.dataset.values);
  const flat = (limit) => taken.map(() => limit);
  const known = [...taken, low, high].filter((one) => one !== null);
  const [from, to] = [Math.min(...known), Math.max(...known)];
  const room = (to - from || Math.abs(to) || 1) * 0.08;
  const limit = { stroke: FAIL, width: 1, dash: [6, 4], points: { show: false } };
  new uPlot({
    width: 280, height: 84, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false }, y: { range: [from - room, to + room] } },
    axes: [{ show: false }, { show: false }],
    series: [{}, { stroke: INK, width: 1, points: { show: taken.length < 40, size: 4 } }, limit, limit],
  }, [taken.map((_, at) => at), taken, flat(low), flat(high)], box);
}

for (const box of document.querySelectorAll("[data-course]")) course(box);
for (const box of document.querySelectorAll("[data-values]")) values(box);
