// The operator console. Pages work without this script; it adds the live figures, the charts, and a fresh page when something changed.
"use strict";

const lang = document.documentElement.lang;
const one = (css, from = document) => from.querySelector(css);
const all = (css, from = document) => [...from.querySelectorAll(css)];
const live = one("#live");

// A link can carry the token behind the '#', which no server sees. It goes into the form and out of the address bar.
function loginByLink() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  const form = one("#login");
  if (!form) return;
  form.token.value = token;
  form.submit();
}

// Numbers and durations as the server writes them.
const number = (n) => n.toLocaleString("en-US");
const rate = (n) => (n >= 100 ? String(Math.round(n)) : n.toFixed(1).replace(".0", ""));
const latency = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
const clock = (at) => new Date(at).toLocaleTimeString("en-GB", { timeZone: "Asia/Seoul" });

function duration(seconds) {
  const s = Math.floor(seconds);
  if (s < 60) return fill(live.dataset.seconds, { s });
  if (s < 3600) return fill(live.dataset.minutes, { m: Math.floor(s / 60), s: s % 60 });
  if (s < 86400) return fill(live.dataset.hours, { h: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60) });
  return fill(live.dataset.days, { d: Math.floor(s / 86400), h: Math.floor((s % 86400) / 3600) });
}

const known = (value, write) => (value === null || value === undefined ? "–" : write(value));

const reported = (queue, t) => fill(t ? live.dataset.queue : live.dataset.queueNow, { n: queue.epoch, t });

function figures({ event, recent, remaining_s, at }) {
  const { queue, seats } = event;
  const { calls } = recent;
  return {
    applied_per_s: known(recent.applied_per_s, rate),
    applied: known(queue, (q) => fill(live.dataset.total, { n: number(q.seq - q.skipped_numbers) })),
    waiting: known(queue, (q) => number(q.waiting)),
    remaining: known(remaining_s, duration),
    oldest: known(queue?.oldest_wait_ms, (ms) => duration(ms / 1000)),
    queue: known(queue, (q) => reported(q, Math.max(0, Math.floor((Date.parse(at) - Date.parse(q.at)) / 1000)))),
    calls_per_s: rate(recent.calls_per_s),
    pace: event.pace,
    in_flight: number(event.under_way.ordering),
    in_flight_max: number(event.in_flight_max),
    p50: known(calls.p50_ms, latency),
    p95: known(calls.p95_ms, latency),
    p99: known(calls.p99_ms, latency),
    ordered: number(calls.ordered),
    rejected: number(calls.rejected),
    unclear: number(calls.unclear),
    sold: number(seats.sold),
    held: number(seats.held),
    free: number(seats.free),
    parked: number(event.under_way.parked),
    capacity: number(event.capacity),
  };
}

function showFigures(message) {
  const values = figures(message);
  for (const element of all("[data-f]")) {
    const { f } = element.dataset;
    if (f === "sold_permille") element.value = Math.floor((message.event.seats.sold * 1000) / message.event.capacity);
    else if (element.textContent !== values[f]) element.textContent = values[f];
  }
}

// The parts of the page that the server writes. A part is left alone while an operator types or moves in it.
const PARTS = ["#head", "#controls", "#parked", "#audit"];
let refreshing = false;

document.addEventListener("input", ({ target }) => { target.dataset.typed = ""; });

function isInUse(part) {
  return one("[data-typed]", part) || (part.contains(document.activeElement) && document.activeElement !== document.body);
}

async function refresh(parts = PARTS) {
  if (refreshing) return;
  refreshing = true;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (response.redirected) location.assign(response.url);
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const css of parts) {
      const [old, next] = [one(css), one(css, fresh)];
      if (!old || !next || old.outerHTML === next.outerHTML || isInUse(old)) continue;
      old.replaceWith(document.adoptNode(next));
    }
    if (live && one("#live", fresh)) live.dataset.rev = one("#live", fresh).dataset.rev;
  } catch {
    // The next message or the next period tries again.
  } finally {
    refreshing = false;
  }
}

// Whether what the server wrote may have changed: everything that its alerts and buttons depend on.
const signature = ({ event, recent, at }) => {
  const q = event.queue;
  const stale = q && event.state !== "settled" && Date.parse(at) - Date.parse(q.at) > 5000;
  return JSON.stringify([event.rev, event.state, event.frozen, event.recover_until, event.missing_journals, q?.armed, stale,
    event.under_way.parked, recent.calls.unclear * 50 > recent.calls.count]);
};

let shown = "";
let shownAt = 0;
let lastAt = live?.dataset.now;

function showTrouble(text) {
  const link = one("#link");
  const message = text ? fill(text, { t: clock(lastAt) }) : "";
  if (link.textContent !== message) link.textContent = message;
  link.hidden = !text;
  live.classList.toggle("old", Boolean(text));
}

function onLive(message) {
  lastAt = message.at;
  showTrouble("");
  showFigures(message);
  addSeconds(message.seconds, message.event.pace);
  const now = signature(message);
  const changed = shown ? shown !== now : String(message.event.rev) !== live.dataset.rev;
  if (changed) {
    refresh();
    loadMarks();
  } else if (Date.now() - shownAt > 15000) {
    // Countdowns that the server wrote.
    refresh();
  } else {
    shown = now;
    return;
  }
  shown = now;
  shownAt = Date.now();
}

let source = null;

function listen() {
  if (source || document.hidden) return;
  source = new EventSource(`/gate/adm/v1/stream/metric/${live.dataset.event}`);
  source.addEventListener("live", (event) => onLive(JSON.parse(event.data)));
  source.addEventListener("trouble", () => showTrouble(live.dataset.trouble));
  source.addEventListener("ended", () => location.assign("/login"));
  source.onerror = () => {
    showTrouble(live.dataset.lost);
    // After a refusal the browser does not try again by itself.
    if (source?.readyState === EventSource.CLOSED) {
      stop();
      setTimeout(listen, 2000);
    }
  };
}

function stop() {
  source?.close();
  source = null;
}

// --- Charts ---

const MAX_SECONDS = 900;
const seconds = new Map();
let marks = [];
let windowSeconds = 300;
let charts = [];
let pace = 0;

function point({ at, applied, waiting, calls }) {
  return { t: Date.parse(at) / 1000, applied, waiting, calls, pace };
}

function addSeconds(items, currentPace) {
  pace = Number(currentPace);
  for (const item of items) {
    const next = point(item);
    const before = seconds.get(next.t);
    if (before) next.pace = before.pace;
    seconds.set(next.t, next);
  }
  draw();
}

// The pace of a past second is the one that the audit shows for it.
function setPaces() {
  const changes = marks.filter((mark) => mark.pace !== undefined);
  for (const second of seconds.values()) {
    const next = changes.find((change) => change.t > second.t);
    second.pace = next ? next.paceBefore : changes.length ? changes.at(-1).pace : pace;
  }
}

const VALUES = {
  applied: (s, before) => [s.applied === undefined || before?.applied === undefined || s.t === before.t ? null : Math.max(0, s.applied - before.applied) / (s.t - before.t)],
  waiting: (s) => [s.waiting ?? null],
  calls: (s) => [s.calls?.count ?? 0, s.pace],
  latency: (s) => [s.calls?.p50_ms ?? null, s.calls?.p95_ms ?? null, s.calls?.p99_ms ?? null],
  outcomes: (s) => [s.calls?.ordered ?? 0, s.calls?.rejected ?? 0, s.calls?.unclear ?? 0],
};

function table(kind) {
  const end = Math.floor(Date.parse(lastAt) / 1000) - 1;
  const rows = [];
  let before;
  for (let t = end - windowSeconds; t < end; t++) {
    const second = seconds.get(t);
    const empty = { t, pace };
    rows.push([t, ...VALUES[kind](second ?? empty, before)]);
    if (second?.applied !== undefined) before = second;
  }
  return rows;
}

const columns = (rows) => rows[0].map((_, column) => rows.map((row) => row[column]));
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const SERIES_COLORS = ["--c1", "--c2", "--c3"];

// Every change of an operator is a line through all charts.
function drawMarks(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = color("--mark");
  ctx.fillStyle = color("--mark");
  ctx.font = `${11 * devicePixelRatio}px system-ui`;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const mark of marks) {
    const x = plot.valToPos(mark.t, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

const compact = new Intl.NumberFormat("en", { notation: "compact" });
const hour = (t) => clock(t * 1000).slice(0, 5);
const exact = (t) => clock(t * 1000);

function makeChart(figure) {
  const kind = figure.dataset.chart;
  const names = figure.dataset.series.split("|");
  const place = one(".plot", figure);
  const axis = { stroke: color("--soft"), grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const options = {
    width: place.clientWidth || 300,
    height: 150,
    cursor: { sync: { key: "console" }, y: false, drag: { x: false, y: false } },
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(1, (max ?? 0) * 1.1)] } },
    legend: { live: true },
    axes: [
      { ...axis, size: 26, space: 70, values: (_, ticks) => ticks.map(windowSeconds > 60 ? hour : exact) },
      { ...axis, size: 44, values: (_, ticks) => ticks.map((n) => compact.format(n)) },
    ],
    series: [
      { label: one("#charts").dataset.time, value: (_, t) => (t ? exact(t) : "–") },
      ...names.map((label, nth) => ({
        label,
        stroke: color(SERIES_COLORS[nth]),
        width: 2,
        dash: kind === "calls" && nth === 1 ? [6, 4] : undefined,
        points: { show: kind === "latency" ? undefined : false },
        fill: names.length === 1 ? `${color(SERIES_COLORS[nth])}22` : undefined,
        value: (_, n) => (n === null || n === undefined ? "–" : number(Math.round(n * 10) / 10)),
      })),
    ],
    hooks: { draw: [drawMarks] },
  };
  const plot = new uPlot(options, columns(table(kind)), place);
  return { figure, kind, names, plot, place };
}

function draw() {
  for (const chart of charts) {
    const rows = table(chart.kind);
    chart.plot.setData(columns(rows));
    // Without a pointer on a chart, its legend has the newest values.
    if (typeof chart.plot.cursor.idx !== "number") chart.plot.setLegend({ idx: rows.length - 1 });
    const last = [...rows].reverse().find((row) => row.slice(1).some((n) => n !== null));
    const now = last ? chart.names.map((name, nth) => `${name} ${known(last[nth + 1], (n) => number(Math.round(n * 10) / 10))}`) : [];
    chart.place.setAttribute("aria-label", `${one("figcaption", chart.figure).textContent}: ${now.join(", ")}`);
    if (one("details", chart.figure).open) fillTable(chart, rows);
  }
}

// The same figures as text: the mean of each step, newest first.
function fillTable({ figure, names }, rows) {
  const step = Math.max(5, Math.round(windowSeconds / 20));
  const cell = (name, text) => Object.assign(document.createElement(name), { textContent: text });
  const line = (cells) => {
    const row = document.createElement("tr");
    row.append(...cells);
    return row;
  };
  const head = [one("#charts").dataset.time, ...names].map((name) => Object.assign(cell("th", name), { scope: "col" }));
  one("thead", figure).replaceChildren(line(head));
  const lines = [];
  for (let end = rows.length; end >= step; end -= step) {
    const part = rows.slice(end - step, end);
    const mean = (column) => {
      const values = part.map((row) => row[column]).filter((n) => n !== null && n !== undefined);
      return values.length ? number(Math.round((values.reduce((a, b) => a + b, 0) / values.length) * 10) / 10) : "–";
    };
    lines.push(line([cell("td", exact(part[0][0])), ...names.map((_, nth) => cell("td", mean(nth + 1)))]));
  }
  one("tbody", figure).replaceChildren(...lines);
}

function resize() {
  for (const { plot, place } of charts) plot.setSize({ width: place.clientWidth, height: 150 });
}

function remake() {
  for (const { plot } of charts) plot.destroy();
  charts = all(".chart").map(makeChart);
  draw();
}

function selectWindow(chosen) {
  windowSeconds = chosen;
  for (const button of all("[data-window]")) button.setAttribute("aria-pressed", String(Number(button.dataset.window) === chosen));
  remake();
}

const read = async (path) => (await fetch(path, { cache: "no-store" })).json();

async function loadMarks() {
  try {
    const { items } = await read(`/audit/adm/v1/list/change?event=${live.dataset.event}&limit=100`);
    marks = items.reverse().map((item) => ({
      t: Date.parse(item.at) / 1000,
      pace: item.after.pace === undefined ? undefined : Number(item.after.pace),
      paceBefore: item.before.pace === undefined ? undefined : Number(item.before.pace),
    }));
    setPaces();
    draw();
  } catch {
    // The charts are drawn without marks.
  }
}

async function loadHistory() {
  try {
    const { items } = await read(`/gate/adm/v1/list/metric/${live.dataset.event}?window_s=${MAX_SECONDS}`);
    for (const item of items) seconds.set(point(item).t, point(item));
    await loadMarks();
  } catch {
    // The stream fills the charts from now on.
  }
  draw();
}

async function startCharts() {
  if (typeof uPlot === "undefined") return;
  one("#charts").hidden = false;
  selectWindow(windowSeconds);
  for (const button of all("[data-window]")) button.addEventListener("click", () => selectWindow(Number(button.dataset.window)));
  for (const chart of all(".chart details")) chart.addEventListener("toggle", draw);
  addEventListener("resize", resize);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", remake);
  await loadHistory();
}

// A hidden page asks for nothing; when it is shown again, everything is read anew.
function onVisibility() {
  if (document.hidden) return stop();
  seconds.clear();
  loadHistory();
  refresh();
  listen();
}

// --- Start ---

loginByLink();
addEventListener("hashchange", loginByLink);
if (live) {
  pace = Number(one('[data-f="pace"]').textContent.replace(",", ""));
  startCharts();
  listen();
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && onVisibility());
}
const list = one("#list");
if (list) setInterval(() => document.hidden || refresh(["#list"]), Number(list.dataset.reload));
