'use strict';
const $ = id => document.getElementById(id);
const D = JSON.parse($('data').textContent), T = D.text, root = $('main');
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => name in values ? values[name] : all);
const group = n => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
const put = (id, text) => { const e = $(id); if (e && e.textContent !== text) e.textContent = text; };
const show = (id, on) => { const e = $(id); if (e) e.hidden = !on; };
const two = n => String(n).padStart(2, '0');
const hms = ms => { const d = new Date(ms + 324e5); return [d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()].map(two).join(':'); };
const storageKey = 'firstcome:' + D.event;
const stored = () => { try { return JSON.parse(localStorage.getItem(storageKey)) || {}; } catch { return {}; } };
const store = value => { try { localStorage.setItem(storageKey, JSON.stringify(Object.assign(stored(), value))); } catch {} };
const get = async url => {
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 8000), sent = Date.now();
  try {
    const response = await fetch(url, { cache: 'no-cache', signal: stop.signal, headers: { 'Accept-Language': D.lang } });
    if (!response.ok) throw new Error(response.status);
    const body = await response.json();
    return { body, sent, received: Date.now() };
  } finally { clearTimeout(timer); }
};
const setState = (state, heading, announce) => {
  const changed = root.dataset.state !== state;
  root.dataset.state = state;
  put('head', heading[0]);
  put('lede', heading[1]);
  if (changed && announce !== '') put('status', announce || heading[0]);
  return changed;
};
const onReturn = resume => {
  addEventListener('online', () => { show('offline', false); resume(); });
  addEventListener('offline', () => { put('offline', T.offline); show('offline', true); });
  addEventListener('pageshow', e => { if (e.persisted) resume(); });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) resume(); });
};
