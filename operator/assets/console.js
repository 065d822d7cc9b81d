// The operator console: polls the operator API once a second with the operator's token and shows the events. It changes nothing.
"use strict";

const KEY = "firstcome-operator-token";
const EVENTS = "/event/adm/v1/list/event";
const CHANGES = "/audit/adm/v1/list/change?limit=100";
const CHANGES_PER_EVENT = 5;
const STALE_MS = 5000;

const byId = (id) => document.getElementById(id);
const labels = {};
for (const term of document.querySelectorAll("#labels dt")) labels[term.textContent] = term.nextElementSibling.textContent;

// A link can carry the token behind the '#', which no server sees; it must not stay in the address bar or the history.
function tokenFromLink() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  sessionStorage.setItem(KEY, token);
  history.replaceState(null, "", location.pathname);
}

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function setStatus(text, bad) {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
  status.className = bad ? "bad" : "";
}

const clock = (time) => new Date(time).toLocaleTimeString("en-GB");
const figure = (n) => (n === undefined || n === null ? labels.unknown : n.toLocaleString(document.documentElement.lang));

function state(event) {
  const notes = [];
  if (event.release !== "running") notes.push(labels[event.release]);
  if (!event.intake) notes.push(labels.held);
  return labels[event.state] + (notes.length ? ` · ${notes.join(", ")}` : "");
}

function warnings(event, now) {
  const found = [];
  if (event.frozen) found.push(`${labels.frozen} (${event.frozen})`);
  if (event.recover_until) found.push(labels.recovering.replace("{t}", clock(event.recover_until)));
  if (event.missing_journals.length) found.push(labels.journals.replace("{n}", event.missing_journals.length));
  if (event.queue && !event.queue.armed) found.push(labels.unarmed);
  const silentMs = event.queue ? now - Date.parse(event.queue.at) : 0;
  if (silentMs > STALE_MS && event.state !== "settled") found.push(labels.stale.replace("{s}", Math.round(silentMs / 1000)));
  return found.join(" · ");
}

function row(event, now) {
  const made = element("tr");
  const name = element("th");
  name.scope = "row";
  name.append(document.documentElement.lang === "ko" ? event.title.ko : event.title.en, element("small", event.id));
  made.append(name);
  const headings = [...document.querySelectorAll("thead th")].map((th) => th.textContent);
  const warning = warnings(event, now);
  const cells = [
    [state(event), event.state === "open" && event.release === "running" ? "go" : ""],
    [figure(event.queue && event.queue.waiting), "n"],
    [`${figure(event.seats.sold)} / ${figure(event.capacity)}`, "n"],
    [event.pace, "n"],
    [`${figure(event.under_way.ordering)} / ${figure(event.in_flight_max)}`, "n"],
    [figure(event.under_way.parked), event.under_way.parked ? "n warn" : "n"],
    [warning || "–", warning ? "warn" : ""],
    [String(event.rev), "n"],
  ];
  cells.forEach(([text, kind], nth) => {
    const cell = element("td", undefined, kind);
    cell.dataset.label = headings[nth + 1];
    cell.append(element("span", text));
    made.append(cell);
  });
  return made;
}

function plain(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.join(" ") || "–";
  return value[document.documentElement.lang] || "–";
}

function changeItem(change) {
  const action = labels[change.action === "open" ? "open_" : change.action] || change.action;
  const made = element("li");
  const time = element("time", clock(change.at));
  time.dateTime = change.at;
  made.append(time, ` ${change.actor} · ${action}`);
  const fields = Object.keys(change.after);
  if (change.action !== "create" && change.action !== "clone") {
    made.append(fields.map((name) => ` ${name} ${plain(change.before[name])} → ${plain(change.after[name])}`).join(","));
  }
  if (change.reason) made.append(element("span", ` “${change.reason}”`, "why"));
  return made;
}

function changesOf(event, changes) {
  const place = byId("changes");
  const own = changes.filter((change) => change.event === event.id).slice(0, CHANGES_PER_EVENT);
  const list = element("ol");
  list.append(...(own.length ? own.map(changeItem) : [element("li", place.dataset.quiet)]));
  return [element("h2", `${place.dataset.title} – ${event.id}`), list];
}

async function read(path) {
  const response = await fetch(path, { headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` }, cache: "no-store" });
  if (response.ok) return { body: await response.json(), date: response.headers.get("Date") };
  throw Object.assign(new Error(response.status), { status: response.status });
}

// A screen reader or a selection must not lose its place each second, so only changed parts are replaced.
function update(place, elements) {
  const next = elements.map((one) => one.outerHTML).join("");
  if (place.dataset.html === next) return;
  place.dataset.html = next;
  place.replaceChildren(...elements);
}

function show(events, changes, date) {
  const now = date ? Date.parse(date) : Date.now();
  update(byId("events"), events.map((event) => row(event, now)));
  update(byId("changes"), events.flatMap((event) => changesOf(event, changes)));
  byId("content").hidden = false;
  byId("login").hidden = true;
  const texts = byId("status").dataset;
  setStatus(events.length ? "" : texts.none, false);
  // Outside the live region, or a screen reader would announce the time each second.
  byId("updated").textContent = texts.at.replace("{t}", clock(now));
}

function showLogin(why) {
  sessionStorage.removeItem(KEY);
  byId("content").hidden = true;
  byId("login").hidden = false;
  setStatus(why, Boolean(why));
  byId("token").focus();
}

let timer = 0;

async function poll() {
  clearTimeout(timer);
  if (!sessionStorage.getItem(KEY)) return;
  try {
    const [events, changes] = await Promise.all([read(EVENTS), read(CHANGES)]);
    show(events.body.items, changes.body.items, events.date);
  } catch (error) {
    if (error.status === 401) return showLogin(byId("status").dataset.wrong);
    const texts = byId("status").dataset;
    setStatus(error.status ? texts.slow : texts.away, true);
  }
  timer = setTimeout(poll, document.hidden ? 10000 : 1000);
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("token").value.trim());
  byId("token").value = "";
  setStatus(byId("status").dataset.loading, false);
  poll();
});
byId("logout").addEventListener("click", () => showLogin(""));
document.addEventListener("visibilitychange", () => document.hidden || poll());
addEventListener("hashchange", () => { tokenFromLink(); poll(); });

tokenFromLink();
if (sessionStorage.getItem(KEY)) {
  setStatus(byId("status").dataset.loading, false);
  poll();
} else {
  showLogin("");
}
