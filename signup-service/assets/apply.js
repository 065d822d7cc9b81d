const form = $('form'), button = $('apply'), label = $('apply-label');
let opens = D.opens, busy = false, tries = 0, timer, ticker, left = 0, said = '';
// Whether a press may have been registered without an answer: then no refusal to look is a no.
let unsure = Boolean(form && form.unsure);
const at = () => now() >= opens;
if (kept().page) { $('mine-link').href = kept().page; show('mine', true); }
if (form) {
  // One key for each event and browser: a double press, a second tab and a reload are one application.
  if (kept().key) form.key.value = kept().key; else keep({ key: form.key.value });
}
const ready = (text, on) => { put('apply-label', text); button.setAttribute('aria-disabled', !on); };
const phase = (state, announce) => {
  become(state, T[state], announce);
  show('retry', false);
  ready(T.labels[state] || T.labels.open, !['before', 'hold', 'applying'].includes(state));
};
const until = ms => { const s = Math.max(0, Math.ceil(ms / 1000)); return two(s / 3600 | 0) + ':' + two((s / 60 | 0) % 60) + ':' + two(s % 60); };
const mark = (field, text) => { put(field + '-wrong', text); form[field].setAttribute('aria-invalid', text ? 'true' : 'false'); };
const clear = () => ['name', 'phone', 'consent'].forEach(field => mark(field, ''));
const tick = () => {
  clearTimeout(ticker);
  if (root.dataset.state !== 'before') return;
  if (at()) { phase('open'); return; }
  const ms = opens - now();
  put('countdown', until(ms));
  put('server-clock', fill(T.clock, { t: hms(now()), e: Math.max(.1, truest().error / 1000).toFixed(1) }));
  for (const s of [600, 60, 10]) if (Math.ceil(ms / 1000) === s && said !== s) { said = s; put('said', until(ms) + ' ' + T.remaining); }
  ticker = setTimeout(tick, Math.min(ms, 1000 - now() % 1000));
};
const time = async () => {
  try {
    const { body, sent, got } = await get(D.time);
    sample(body.server_time_ms, sent, got);
    opens = body.opens_at_ms;
    return body;
  } catch {}
};
// Before the opening: a few samples of the clock, then one a minute or so, and none in the last seconds: the opening itself makes no request.
const watch = async n => {
  if (root.dataset.state !== 'before') return;
  if (opens - now() > 5000 && !document.hidden) await time();
  tick();
  setTimeout(watch, n < 3 ? 1000 : 45000 + Math.random() * 30000, n + 1);
};
const held = async () => {
  if (root.dataset.state !== 'hold') return;
  const body = document.hidden ? null : await time();
  if (body && body.intake && body.state === 'open') phase('open');
  else setTimeout(held, D.far * (.8 + Math.random() * .4));
};
const before = () => { phase('before', ''); show('clock', true); tick(); };
const again = seconds => {
  clearTimeout(timer);
  left = seconds;
  const step = () => {
    show('retry', true);
    put('retry', (tries > 3 ? fill(T.nth, { n: tries }) + ' ' : '') + fill(T.retry, { s: left }));
    if (left-- > 0) timer = setTimeout(step, 1000); else send();
  };
  step();
};
const wait = seconds => {
  ready(T.labels.slow, false);
  timer = setTimeout(() => { put('lede', ''); ready(T.labels.open, true); }, seconds * 1000);
};
const refused = (answer, body) => {
  const seconds = +answer.headers.get('Retry-After') || 3, code = body.code || '';
  if (code === 'event-not-open') {
    opens = body.opens_at;
    samples.length = 0;
    sample(body.server_time_ms, Date.now() - 500, Date.now());
    return at() ? again(1) : before();
  }
  if (code === 'intake-on-hold') { phase('hold'); return held(); }
  if (answer.status >= 502 || answer.status === 500) {
    unsure = unsure || body.registered !== false;
    phase(unsure ? 'unknown' : 'shed');
    return again(seconds);
  }
  const state = { 410: 'closed', 429: 'slow' }[answer.status] || (code === 'queue-full' ? 'full' : 'invalid');
  T[state] = [body.title || T.unknown[0], body.detail || ''];
  phase(state);
  (body.errors || []).forEach(e => { const field = e.pointer.slice(1); if (form[field]) mark(field, e.detail); });
  const first = form.querySelector('[aria-invalid=true]');
  if (first) first.focus();
  if (state === 'slow') wait(seconds);
};
const send = async () => {
  if (busy) return;
  busy = true;
  tries++;
  clearTimeout(timer);
  clear();
  phase('applying');
  const stop = new AbortController(), late = setTimeout(() => stop.abort(), 10000);
  try {
    const answer = await fetch(D.create, {
      method: 'POST', signal: stop.signal,
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': form.key.value, 'Accept-Language': D.lang },
      body: JSON.stringify({ name: form.name.value, phone: form.phone.value, consent: form.consent.checked }),
    });
    const body = await answer.json().catch(() => ({}));
    if (answer.ok && !body.receipt) throw new Error('cut off');
    if (answer.ok) {
      // A view receipt shows nothing that is worth coming back to.
      if (body.right === 'full') keep({ page: body.links.page });
      location.assign(body.links.page);
      return;
    }
    busy = false;
    refused(answer, body);
  } catch {
    busy = false;
    unsure = true;
    phase('unknown');
    again(Math.ceil(Math.min(30, 2 ** Math.min(tries, 5)) * (.5 + Math.random() / 2)));
  } finally { clearTimeout(late); }
};
if (form) {
  form.addEventListener('submit', e => {
    e.preventDefault();
    if (button.getAttribute('aria-disabled') !== 'true') { tries = 0; send(); }
  });
  form.addEventListener('input', e => { if (e.target.name && $(e.target.name + '-wrong')) mark(e.target.name, ''); });
  back(() => {
    if (busy) return;
    // A page that comes back from the cache after a sent application is not sending any more.
    if (root.dataset.state === 'applying') phase('open', '');
    if (root.dataset.state === 'before') { time().then(tick); tick(); }
    if (root.dataset.state === 'unknown') send();
  });
  const state = root.dataset.state;
  if (state === 'before') { before(); watch(0); }
  if (state === 'hold') { phase('hold', ''); held(); }
  if (state === 'shed' || state === 'unknown') again(D.retry);
  if (state === 'slow') wait(D.retry);
  const first = form.querySelector('[aria-invalid=true]');
  if (first) first.focus();
}
