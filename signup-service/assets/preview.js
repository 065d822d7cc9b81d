'use strict';
// Shows what the script of the page would show in this state. It sends nothing.
const D = JSON.parse(document.getElementById('data').textContent);
const element = id => document.getElementById(id) || {};
for (const id in D.put) element(id).textContent = D.put[id];
for (const id of D.show) element(id).hidden = false;
if (D.off) document.getElementById('apply').setAttribute('aria-disabled', 'true');
const picture = document.getElementById('picture');
if (picture) {
  const img = new Image();
  img.alt = '';
  img.setAttribute('src', picture.dataset.src);
  picture.append(img);
}
