// The time of a called applicant counts down by the queue's clock. It shows what is left at least: the request may have taken no time.
let countdown, said;
function showCalled() {
  clearTimeout(countdown);
  if (root.dataset.state !== 'called') return;
  const left = Math.max(0, Math.ceil((application.called_until_ms - application.server_time_ms - Date.now() + application.sent) / 1000));
  const text = (left < 3600 ? '' : two(left / 3600 | 0) + ':') + two((left / 60 | 0) % 60) + ':' + two(left % 60);
  put('left', text);
  put('until', fill(T.until, { t: hms(application.called_until_ms) }));
  show('extend-form', application.extension_ms > 0);
  document.title = '(' + text + ') ' + D.title;
  if ([300, 60, 10].includes(left) && said !== left) { said = left; put('status', T.left + ' ' + text); }
  if (left) countdown = setTimeout(showCalled, 1000);
}
// An order that was made with a pass is cancelled at the shop, so a request to cancel came too late.
const asked = D.cancel_requested;
if (D.pass) Object.defineProperty(D, 'cancel_requested', { get: () => asked && application.state !== 'ordered' });
// The request is repeated until it is answered: repeating it has no further effect.
const request = async form => {
  for (let wait = 1000; ; wait = Math.min(8000, wait * 2)) {
    try {
      const response = await fetch(form.action, { method: 'POST', headers: { 'Content-Type': 'application/json', 'Accept-Language': D.lang }, body: '{}' });
      if (response.status < 500 && response.status !== 429) return response;
    } catch {}
    await new Promise(done => setTimeout(done, wait));
  }
};
for (const id of ['confirm', 'extend']) {
  const button = $(id);
  // With a pass, there is nothing to confirm: the browser itself sends the form that leads to the shop.
  if (!button) continue;
  const label = button.textContent;
  $(id + '-form').onsubmit = async e => {
    e.preventDefault();
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', true);
    put(id, T.sending);
    const response = await request(e.target);
    if (!response.ok) put('called-wrong', (await response.json().catch(() => ({}))).detail || T.stale);
    put(id, label);
    button.setAttribute('aria-disabled', false);
    poll();
  };
}
