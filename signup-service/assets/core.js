'use strict';
const $ = id => document.getElementById(id);
const D = JSON.parse($('data').textContent), T = D.text, root = $('main');
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => name in values ? values[name] : all);
const group = n => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
const put = (id, text) => { const e = $(id); if (e && e.textContent !== text) e.textContent = text; };
const show = (id, on) => { const e = $(id); if (e) e.hidden = !on; };
const two = n => String(n).padStart(2, '0');
const hms = ms => { const d = new Date(ms + 324e5); return [d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()].map(two).join(':'); };
const slot = 'firstcome:' + D.event;
const kept = () => { try { return JSON.parse(localStorage.getItem(slot)) || {}; } catch { return {}; } };
const keep = value => { try { localStorage.setItem(slot, JSON.stringify(Object.assign(kept(), value))); } catch {} };
// The clock of the queue: the sample with the shortest way is the truest.
const samples = [];
const sample = (server, sent, got) => {
  samples.push({ offset: server - (sent + got) / 2, error: (got - sent) / 2 });
  if (samples.length > 8) samples.shift();
};
const truest = () => samples.reduce((a, b) => b.error < a.error ? b : a);
const now = () => Date.now() + truest().offset;
{
  const nav = performance.getEntriesByType('navigation')[0], origin = performance.timeOrigin;
  if (nav && nav.responseStart) sample(D.now, origin + nav.requestStart, origin + nav.responseStart);
  else sample(D.now, Date.now() - 1000, Date.now());
}
const get = async url => {
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 8000), sent = Date.now();
  try {
    const answer = await fetch(url, { cache: 'no-cache', signal: stop.signal, headers: { 'Accept-Language': D.lang } });
    if (!answer.ok) throw new Error(answer.status);
    const body = await answer.json();
    return { body, sent, got: Date.now() };
  } finally { clearTimeout(timer); }
};
const become = (state, words, announce) => {
  const changed = root.dataset.state !== state;
  root.dataset.state = state;
  put('head', words[0]);
  put('lede', words[1]);
  if (changed && announce !== '') put('said', announce || words[0]);
  return changed;
};
const back = again => {
  addEventListener('online', () => { show('offline', false); again(); });
  addEventListener('offline', () => { put('offline', T.offline); show('offline', true); });
  addEventListener('pageshow', e => { if (e.persisted) again(); });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) again(); });
};
