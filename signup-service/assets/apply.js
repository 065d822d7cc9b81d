// The queue's clock. The sample with the shortest round trip is the most accurate.
const samples = [];
const sample = (server, sent, received) => {
  samples.push({ offset: server - (sent + received) / 2, error: (received - sent) / 2 });
  if (samples.length > 8) samples.shift();
};
const bestSample = () => samples.reduce((a, b) => b.error < a.error ? b : a);
const now = () => Date.now() + bestSample().offset;
{
  const nav = performance.getEntriesByType('navigation')[0], origin = performance.timeOrigin;
  if (nav && nav.responseStart) sample(D.now, origin + nav.requestStart, origin + nav.responseStart);
  else sample(D.now, Date.now() - 1000, Date.now());
}
const form = $('form'), button = $('apply'), label = $('apply-label');
let opens = D.opens, busy = false, tries = 0, timer, ticker, left = 0, announced = '';
// Whether an attempt may have been registered although its response was lost. Then an error before the queue was asked does not mean "not registered".
let unsure = Boolean(form && form.unsure);
const isOpen = () => now() >= opens;
const showMine = () => { if (stored().page) { $('mine-link').href = stored().page; show('mine', true); } };
showMine();
if (form) {
  // One key per event and browser: a double press, a second tab and a reload are one application.
  if (stored().key) form.key.value = stored().key; else store({ key: form.key.value });
}
const setButton = (text, on) => { put('apply-label', text); button.setAttribute('aria-disabled', !on); };
// States in which the page sends the form again by itself. They stand while it does: what is registered has not changed.
const isRetrying = () => ['shed', 'unknown'].includes(root.dataset.state);
const showPhase = (state, announce) => {
  setState(state, T[state], announce);
  show('retry', false);
  setButton(T.labels[state] || T.labels.open, !['before', 'hold', 'applying'].includes(state));
};
const duration = ms => { const s = Math.max(0, Math.ceil(ms / 1000)); return two(s / 3600 | 0) + ':' + two((s / 60 | 0) % 60) + ':' + two(s % 60); };
const markField = (field, text) => { put(field + '-wrong', text); form[field].setAttribute('aria-invalid', text ? 'true' : 'false'); };
const clearErrors = () => ['name', 'phone', 'consent'].forEach(field => markField(field, ''));
const tick = () => {
  clearTimeout(ticker);
  if (root.dataset.state !== 'before') return;
  if (isOpen()) { showPhase('open'); return; }
  const ms = opens - now();
  put('countdown', duration(ms));
  put('server-clock', fill(T.clock, { t: hms(now()), e: Math.max(.1, bestSample().error / 1000).toFixed(1) }));
  for (const s of [600, 60, 10]) if (Math.ceil(ms / 1000) === s && announced !== s) { announced = s; put('status', duration(ms) + ' ' + T.remaining); }
  ticker = setTimeout(tick, Math.min(ms, 1000 - now() % 1000));
};
const sampleClock = async () => {
  try {
    const { body, sent, received } = await get(D.time);
    sample(body.server_time_ms, sent, received);
    opens = body.opens_at_ms;
    return body;
  } catch {}
};
// Before the opening: a few samples of the clock, then about one per minute, and none in the last 5 s. The opening itself makes no request.
const watch = async n => {
  if (root.dataset.state !== 'before') return;
  if (opens - now() > 5000 && !document.hidden) await sampleClock();
  tick();
  setTimeout(watch, n < 3 ? 1000 : 45000 + Math.random() * 30000, n + 1);
};
const watchHold = async () => {
  if (root.dataset.state !== 'hold') return;
  const body = document.hidden ? null : await sampleClock();
  if (body && body.intake && body.state === 'open') showPhase('open');
  else setTimeout(watchHold, D.far * (.8 + Math.random() * .4));
};
const showCountdown = () => { showPhase('before', ''); tick(); };
const showRetry = (text, n) => { put('retry', fill(text, { s: left, n })); show('retry', true); };
const retryIn = seconds => {
  clearTimeout(timer);
  left = seconds;
  const step = () => {
    if (left < 1) { send(); return; }
    showRetry(T.retry, tries + 1);
    left--;
    timer = setTimeout(step, 1000);
  };
  step();
};
const blockFor = seconds => {
  setButton(T.labels.slow, false);
  timer = setTimeout(() => { put('lede', ''); setButton(T.labels.open, true); }, seconds * 1000);
};
const showError = (response, body) => {
  const seconds = +response.headers.get('Retry-After') || 3, code = body.code || '';
  if (code === 'event-not-open') {
    opens = body.opens_at;
    samples.length = 0;
    sample(body.server_time_ms, Date.now() - 500, Date.now());
    return isOpen() ? retryIn(1) : showCountdown();
  }
  if (code === 'intake-on-hold') { showPhase('hold'); return watchHold(); }
  if (response.status >= 502 || response.status === 500) {
    unsure = unsure || body.registered !== false;
    showPhase(unsure ? 'unknown' : 'shed');
    return retryIn(seconds);
  }
  const state = { 410: 'closed', 429: 'slow' }[response.status] || (code === 'queue-full' ? 'full' : 'invalid');
  T[state] = [body.title || T.unknown[0], body.detail || ''];
  showPhase(state);
  (body.errors || []).forEach(e => { const field = e.pointer.slice(1); if (form[field]) markField(field, e.detail); });
  const first = form.querySelector('[aria-invalid=true]');
  if (first) first.focus();
  if (state === 'slow') blockFor(seconds);
};
const send = async () => {
  if (busy) return;
  busy = true;
  tries++;
  clearTimeout(timer);
  clearErrors();
  if (isRetrying()) showRetry(T.retrying, tries); else showPhase('applying');
  const stop = new AbortController(), late = setTimeout(() => stop.abort(), 10000);
  try {
    const response = await fetch(D.create, {
      method: 'POST', signal: stop.signal,
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': form.key.value, 'Accept-Language': D.lang },
      body: JSON.stringify({ name: form.name.value, phone: form.phone.value, consent: form.consent.checked }),
    });
    const body = await response.json().catch(() => ({}));
    if (response.ok && !body.receipt) throw new Error('cut off');
    if (response.ok) {
      // The page of a view receipt is not stored: it never changes.
      if (body.right === 'full') store({ page: body.links.page });
      // If the browser shows this page again, it has nothing to retry.
      root.dataset.state = 'applying';
      location.assign(body.links.page);
      return;
    }
    busy = false;
    showError(response, body);
  } catch {
    busy = false;
    unsure = true;
    showPhase('unknown');
    retryIn(Math.ceil(Math.min(30, 2 ** Math.min(tries, 5)) * (.5 + Math.random() / 2)));
  } finally { clearTimeout(late); }
};
if (form) {
  form.addEventListener('submit', e => {
    e.preventDefault();
    if (button.getAttribute('aria-disabled') === 'true') return;
    if (!isRetrying()) tries = 0;
    send();
  });
  form.addEventListener('input', e => { if (e.target.name && $(e.target.name + '-wrong')) markField(e.target.name, ''); });
  // A page that the browser restores from its cache is not sending any more.
  addEventListener('pagehide', () => { busy = false; });
  onReturn(() => {
    if (busy) return;
    showMine();
    if (root.dataset.state === 'applying') showPhase('open', '');
    if (root.dataset.state === 'before') { sampleClock().then(tick); tick(); }
    if (root.dataset.state === 'unknown') send();
  });
  const state = root.dataset.state;
  if (state === 'before') { showCountdown(); watch(0); }
  if (state === 'hold') { showPhase('hold', ''); watchHold(); }
  if (isRetrying()) { tries = 1; retryIn(D.retry); }
  if (state === 'slow') blockFor(D.retry);
  const first = form.querySelector('[aria-invalid=true]');
  if (first) first.focus();
}
// The picture comes after the first paint, so that it delays nothing.
const picture = $('picture');
if (picture) new PerformanceObserver((entries, observer) => {
  if (!entries.getEntriesByName('first-contentful-paint')[0]) return;
  observer.disconnect();
  const img = new Image();
  img.alt = '';
  img.setAttribute('src', picture.dataset.src);
  picture.append(img);
}).observe({ type: 'paint', buffered: true });
