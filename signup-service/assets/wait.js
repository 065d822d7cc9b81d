const N = D.number;
let doc = D.progress, own = D.own, through = 0, fails = 0, timer, busy = false, spread = false, checked = D.now, told = 0, toldAhead = -1, epoch = D.progress?.epoch;
const history = [];
// The same sums as the server's own: domain/src/standing.rs.
const skipped = (gaps, above, to) => gaps.reduce((n, g) => n + Math.max(0, Math.min(g.to, to) - Math.max(g.from, above + 1) + 1), 0);
const place = (n, moved, gaps) => {
  const ahead = Math.max(0, n - 1 - moved);
  return { ahead: ahead ? ahead - skipped(gaps, moved, n - 1) : 0, rank: n - skipped(gaps, 0, n - 1) };
};
const final = () => ['rejected', 'cancelled', 'withdrawn', 'expired', 'sold_out'].includes(own.state) || own.state === 'ordered' && !D.asked;
const face = late => {
  const state = own.state;
  if (state === 'withdrawn') return 'cancelled';
  if (state === 'ordering' || state === 'ordered') return D.asked ? 'cancelling' : state;
  if (state !== 'waiting') return state;
  if (late && doc.stock === 'sold_out') return 'claimed';
  return doc.paused ? 'paused' : late ? 'waitlisted' : 'waiting';
};
// Fast and slow are the pace as set and as seen over the last minute; what is not known is not shown.
const eta = ahead => {
  if (doc.paused) return T.eta_paused;
  const first = history[0], last = history[history.length - 1], span = last.t - first.t;
  const seen = span > 10000 && last.ahead < first.ahead ? (first.ahead - last.ahead) * 1000 / span : doc.pace * .7;
  const fast = Math.max(doc.pace, seen), slow = Math.min(doc.pace, seen);
  if (!(slow > 0)) return T.eta_unknown;
  const a = Math.floor(ahead / fast / 60), b = Math.max(a + 1, Math.ceil(ahead / slow / 60));
  return b < 2 ? T.eta_soon : fill(T.eta, { a: group(Math.max(1, a)), b: group(b) });
};
const render = () => {
  through = Math.max(through, doc.admitted_through);
  const { ahead, rank } = place(N, through, doc.gaps), over = rank - doc.capacity, state = face(over > 0);
  history.push({ t: doc.server_time_ms, ahead });
  while (history.length > 2 && history[0].t < doc.server_time_ms - 60000) history.shift();
  const changed = become(state, T[state]);
  put('standing', over > 0 ? fill(T.late, { n: group(over) }) : '✓ ' + T.range);
  $('standing').classList.toggle('late', over > 0);
  put('ahead', fill(T.people, { n: group(ahead) }));
  put('eta', eta(ahead));
  put('checked', hms(checked));
  put('cancel-label', state === 'waitlisted' || state === 'claimed' ? T.leave : T.cancel);
  put('announcement', doc.announcement[D.lang]);
  show('announcement', doc.announcement[D.lang] !== '');
  $('bar').value = Math.max($('bar').value, rank > 1 ? 100 * (rank - 1 - ahead) / (rank - 1) : 100);
  if (own.order_no) put('order-no', own.order_no);
  const counting = ['waiting', 'paused', 'waitlisted', 'claimed'].includes(state);
  document.title = (counting ? '(' + fill(T.people, { n: group(ahead) }) + ') ' : state === 'ordering' || state === 'ordered' ? '● ' : '') + D.title;
  if (changed) { told = Date.now(); toldAhead = ahead; }
  else if (counting && ahead !== toldAhead && (ahead <= 10 || Date.now() - told > 30000)) {
    told = Date.now();
    toldAhead = ahead;
    put('said', fill(T.announce, { n: group(ahead) }));
  }
  return ahead;
};
const due = () => !final() && (own.state !== 'waiting' || doc.admitted_through >= N || doc.state === 'settled');
const plan = ahead => {
  clearTimeout(timer);
  if (document.hidden || final()) return;
  const { near_ms: near, far_ms: far } = doc.poll;
  let ms = Math.min(far, Math.max(near, 50 * ahead / Math.max(doc.pace, .001))) * (.8 + Math.random() * .4);
  if (fails) ms = Math.random() * Math.min(30000, near * 2 ** Math.min(fails, 5)) + 500;
  timer = setTimeout(check, ms);
};
const check = async () => {
  if (busy || final() || document.hidden) return;
  busy = true;
  try {
    doc = (await get(D.progress_url)).body;
    // A queue of a new epoch may have forgotten us: showing the receipt brings us back.
    const lost = doc.epoch !== epoch;
    // Then, and when an event settles, each page asks once, spread over several seconds.
    if (lost || doc.state === 'settled' && !spread) {
      spread = doc.state === 'settled';
      await new Promise(done => setTimeout(done, Math.random() * doc.poll.far_ms));
    }
    if (lost || due()) own = (await get(D.status_url)).body;
    epoch = doc.epoch;
    checked = now();
    fails = 0;
    show('offline', false);
  } catch {
    fails++;
    if (!navigator.onLine) { put('offline', T.offline); show('offline', true); }
    else if (fails > 1) { put('offline', T.stale); show('offline', true); }
  }
  busy = false;
  plan(render());
};
if (D.number) {
  keep({ page: location.pathname });
  back(check);
  plan(render());
  if (due()) check();
  const copy = $('copy');
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    copy.onclick = () => navigator.clipboard.writeText($('code').textContent).then(() => { put('copy', T.copied); put('said', T.copied); });
  }
} else setTimeout(() => location.reload(), D.retry * 1000);
