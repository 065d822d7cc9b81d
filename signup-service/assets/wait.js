// How far the queue's clock is ahead. It only dates the last check, so the time that the page took does not matter.
const N = D.number, clockOffset = D.now - Date.now();
// Tabs of one event share what they poll: each waits anew after a poll of another.
const channel = self.BroadcastChannel ? new BroadcastChannel(storageKey) : {};
let doc = D.progress, application = D.application, admittedThrough = 0, failures = 0, timer, busy = false, spread = false, checked = D.now, announcedAt = 0, announcedAhead = -1, epoch = D.progress?.epoch;
// The same calculation as in domain/src/position.rs.
const skipped = (gaps, above, to) => gaps.reduce((n, g) => n + Math.max(0, Math.min(g.to, to) - Math.max(g.from, above + 1) + 1), 0);
const position = (n, through, gaps) => {
  const ahead = Math.max(0, n - 1 - through);
  return { ahead: ahead ? ahead - skipped(gaps, through, n - 1) : 0, rank: n - skipped(gaps, 0, n - 1) };
};
const isFinal = () => ['rejected', 'cancelled', 'withdrawn', 'expired', 'sold_out'].includes(application.state) || application.state === 'ordered' && !D.cancel_requested;
// The same rules as ReceiptPageState in src/pages/receipt_state.rs.
const pageState = waitlisted => {
  const { state } = application;
  if (state === 'withdrawn') return 'cancelled';
  if (state === 'called' || state === 'ordering' || state === 'ordered') return D.cancel_requested ? 'cancelling' : state;
  if (state !== 'waiting') return state;
  if (waitlisted && doc.stock === 'sold_out') return 'claimed';
  return doc.paused ? 'paused' : waitlisted ? 'waitlisted' : 'waiting';
};
// The same rule as in src/pages/expected_wait.rs. It is empty while the rate is unknown.
const step = s => s <= 10 ? 1 : s <= 60 ? 5 : s <= 600 ? 60 : s <= 3600 ? 300 : 600;
const minutes = s => fill(T.minutes, { n: s / 60 });
const duration = s => s < 60 ? fill(T.seconds, { n: s }) : s < 3600 ? minutes(s) : fill(T.hours, { n: Math.floor(s / 3600) }) + (s % 3600 ? ' ' + minutes(s % 3600) : '');
const expectedWait = (ahead, rate) => {
  if (!rate) return '';
  const low = ahead / rate.high, high = (ahead + 1) / rate.low;
  if (high > 86400) return '';
  if (ahead <= 10 && high <= 10) return T.eta_soon;
  const from = Math.floor(low / step(low)) * step(low), to = Math.ceil(high / step(high)) * step(high), b = duration(to);
  if (from < 1) return fill(T.eta_within, { b });
  return fill(T.eta, { a: to < 60 ? from : from >= 60 && to < 3600 ? from / 60 : duration(from), b });
};
const render = () => {
  admittedThrough = Math.max(admittedThrough, doc.admitted_through);
  const { ahead, rank } = position(N, admittedThrough, doc.gaps), over = rank - doc.capacity, state = pageState(over > 0);
  const changed = setState(state, T[state]);
  // A focus that the new state has hidden, or that was nowhere, goes to the heading.
  if (changed && !document.activeElement.offsetParent) $('head').focus();
  put('standing', over > 0 ? fill(T.late, { n: group(over) }) : '✓ ' + T.range);
  $('standing').classList.toggle('late', over > 0);
  put('ahead', fill(T.people, { n: group(ahead) }));
  const wait = expectedWait(ahead, doc.admission_rate);
  put('eta', wait);
  show('eta-row', wait !== '');
  put('checked', hms(checked));
  put('cancel-label', state === 'waitlisted' || state === 'claimed' ? T.leave : T.cancel);
  put('announcement', doc.announcement[D.lang]);
  show('announcement', doc.announcement[D.lang] !== '');
  $('bar').value = Math.max($('bar').value, rank > 1 ? 100 * (rank - 1 - ahead) / (rank - 1) : 100);
  if (application.order_no) put('order-no', application.order_no);
  const counting = ['waiting', 'paused', 'waitlisted', 'claimed'].includes(state);
  document.title = (counting ? '(' + fill(T.people, { n: group(ahead) }) + ') ' : state === 'ordering' || state === 'ordered' ? '● ' : '') + D.title;
  if (changed) { announcedAt = Date.now(); announcedAhead = ahead; }
  else if (counting && ahead !== announcedAhead && (ahead <= 10 || Date.now() - announcedAt > 30000)) {
    announcedAt = Date.now();
    announcedAhead = ahead;
    put('status', fill(T.announce, { n: group(ahead) }));
  }
  if (state === 'called') showCalled();
  return ahead;
};
const needsStatus = () => !isFinal() && (application.state !== 'waiting' || doc.admitted_through >= N || doc.state === 'settled');
const schedule = ahead => {
  clearTimeout(timer);
  if (document.hidden || isFinal()) return;
  const { near_ms: near, far_ms: far } = doc.poll;
  let ms = Math.min(far, Math.max(near, 50 * ahead / Math.max(doc.pace, .001))) * (.8 + Math.random() * .4);
  if (failures) ms = Math.random() * Math.min(30000, near * 2 ** Math.min(failures, 5)) + 500;
  timer = setTimeout(poll, ms);
};
channel.onmessage = e => {
  if (busy) return;
  doc = e.data;
  received();
  if (needsStatus() || doc.epoch !== epoch) poll();
  else schedule(render());
};
const received = () => {
  checked = Date.now() + clockOffset;
  failures = 0;
  show('offline', false);
};
const poll = async () => {
  if (busy || isFinal() || document.hidden) return;
  busy = true;
  try {
    doc = (await get(D.progress_url)).body;
    if (channel.postMessage) channel.postMessage(doc);
    // A queue of a new epoch may have lost the application. Presenting the receipt restores it.
    const mayBeLost = doc.epoch !== epoch;
    // Then, and when the event settles, every page requests its status: once, spread over several seconds.
    if (mayBeLost || doc.state === 'settled' && !spread) {
      spread = doc.state === 'settled';
      await new Promise(done => setTimeout(done, Math.random() * doc.poll.far_ms));
    }
    if (mayBeLost || needsStatus()) {
      const { body, sent } = await get(D.status_url);
      application = Object.assign(body, { sent });
    }
    epoch = doc.epoch;
    received();
  } catch {
    failures++;
    if (!navigator.onLine) { put('offline', T.offline); show('offline', true); }
    else if (failures > 1) { put('offline', T.stale); show('offline', true); }
  }
  busy = false;
  schedule(render());
};
if (D.number) {
  application.sent = performance.timeOrigin;
  store({ page: location.pathname });
  onReturn(poll);
  schedule(render());
  if (needsStatus()) poll();
  const link = location.origin + location.pathname;
  put('link', link);
  const offer = (id, can, run) => { const button = $(id); if (button && can) { button.hidden = false; button.onclick = run; } };
  const copies = (id, text) => offer(id, navigator.clipboard, () => navigator.clipboard.writeText(text).then(() => { put(id, T.copied); put('status', T.copied); }));
  copies('copy', ($('code') || root).textContent);
  copies('copy-link', link);
  offer('share', navigator.share, () => navigator.share({ title: D.title, url: link }).catch(() => {}));
  offer('print', true, () => print());
} else setTimeout(() => location.reload(), D.retry * 1000);
