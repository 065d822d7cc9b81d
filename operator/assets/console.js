// The status page: asks the operator API's API once a second with the visitor's token, and shows what it says. It changes nothing.
"use strict";

const KEY = "firstcome-operator-token";
const EVENTS = "/event/adm/v1/list/event";
const CHANGES = "/audit/adm/v1/list/change?limit=100";
const SHOWN_PER_EVENT = 5;
const STALE_MS = 5000;

const at = (id) => document.getElementById(id);
const words = {};
for (const term of document.querySelectorAll("#words dt")) words[term.textContent] = term.nextElementSibling.textContent;

// A link may bring the token behind the '#', which no server sees; it must not stay in the address bar or the history.
function tokenFromLink() {
  const brought = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!brought) return;
  sessionStorage.setItem(KEY, brought);
  history.replaceState(null, "", location.pathname);
}

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function say(text, bad) {
  const said = at("said");
  if (said.textContent !== text) said.textContent = text;
  said.className = bad ? "bad" : "";
}

const clock = (time) => new Date(time).toLocaleTimeString("en-GB");
const figure = (n) => (n === undefined || n === null ? words.unknown : n.toLocaleString(document.documentElement.lang));

function state(event) {
  const more = [];
  if (event.release !== "running") more.push(words[event.release]);
  if (!event.intake) more.push(words.held);
  return words[event.state] + (more.length ? ` · ${more.join(", ")}` : "");
}

function cares(event, now) {
  const told = [];
  if (event.frozen) told.push(`${words.frozen} (${event.frozen})`);
  if (event.recover_until) told.push(words.recovering.replace("{t}", clock(event.recover_until)));
  if (event.queue && !event.queue.armed) told.push(words.unarmed);
  const silent = event.queue ? now - Date.parse(event.queue.at) : 0;
  if (silent > STALE_MS && event.state !== "settled") told.push(words.stale.replace("{s}", Math.round(silent / 1000)));
  return told.join(" · ");
}

function row(event, now) {
  const made = element("tr");
  const name = element("th");
  name.scope = "row";
  name.append(document.documentElement.lang === "ko" ? event.title.ko : event.title.en, element("small", event.id));
  made.append(name);
  const labels = [...document.querySelectorAll("thead th")].map((th) => th.textContent);
  const care = cares(event, now);
  const cells = [
    [state(event), event.state === "open" && event.release === "running" ? "go" : ""],
    [figure(event.queue && event.queue.waiting), "n"],
    [`${figure(event.seats.sold)} / ${figure(event.capacity)}`, "n"],
    [event.pace, "n"],
    [`${figure(event.under_way.ordering)} / ${figure(event.in_flight_max)}`, "n"],
    [figure(event.under_way.parked), event.under_way.parked ? "n warn" : "n"],
    [care || "–", care ? "warn" : ""],
    [String(event.rev), "n"],
  ];
  cells.forEach(([text, kind], nth) => {
    const cell = element("td", undefined, kind);
    cell.dataset.label = labels[nth + 1];
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

function told(change) {
  const action = words[change.action === "open" ? "open_" : change.action] || change.action;
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
  const place = at("changes");
  const own = changes.filter((change) => change.event === event.id).slice(0, SHOWN_PER_EVENT);
  const list = element("ol");
  list.append(...(own.length ? own.map(told) : [element("li", place.dataset.quiet)]));
  return [element("h2", `${place.dataset.title} – ${event.id}`), list];
}

async function read(path) {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` }, cache: "no-store" });
  if (answer.ok) return { body: await answer.json(), date: answer.headers.get("Date") };
  throw Object.assign(new Error(answer.status), { status: answer.status });
}

// What is read out or selected must not be torn away each second: the page is touched only where something changed.
function put(place, made) {
  const next = made.map((one) => one.outerHTML).join("");
  if (place.dataset.response === next) return;
  place.dataset.response = next;
  place.replaceChildren(...made);
}

function show(events, changes, date) {
  const now = date ? Date.parse(date) : Date.now();
  put(at("events"), events.map((event) => row(event, now)));
  put(at("changes"), events.flatMap((event) => changesOf(event, changes)));
  at("operator").hidden = false;
  at("enter").hidden = true;
  const said = at("said").dataset;
  say(events.length ? "" : said.none, false);
  // Not in the live region: nobody wants the time read out each second.
  at("when").textContent = said.at.replace("{t}", clock(now));
}

function ask(why) {
  sessionStorage.removeItem(KEY);
  at("operator").hidden = true;
  at("enter").hidden = false;
  say(why, Boolean(why));
  at("token").focus();
}

let waiting = 0;

async function look() {
  clearTimeout(waiting);
  if (!sessionStorage.getItem(KEY)) return;
  try {
    const [events, changes] = await Promise.all([read(EVENTS), read(CHANGES)]);
    show(events.body.items, changes.body.items, events.date);
  } catch (error) {
    if (error.status === 401) return ask(at("said").dataset.wrong);
    say(error.status ? at("said").dataset.slow : at("said").dataset.away, true);
  }
  waiting = setTimeout(look, document.hidden ? 10000 : 1000);
}

at("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at("token").value.trim());
  at("token").value = "";
  say(at("said").dataset.loading, false);
  look();
});
at("leave").addEventListener("click", () => ask(""));
document.addEventListener("visibilitychange", () => document.hidden || look());
addEventListener("hashchange", () => { tokenFromLink(); look(); });

tokenFromLink();
if (sessionStorage.getItem(KEY)) {
  say(at("said").dataset.loading, false);
  look();
} else {
  ask("");
}
