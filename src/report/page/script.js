// Sorts and filters the table. What is shown stands in the address, after the `#`, so that it can be passed on:
// q=<words>&state=<state>&on=<branch>&by=<column>&down=1.
'use strict';

const table = document.querySelector('table');
const body = table.tBodies[0];
const heads = [...table.tHead.rows[0].cells];
const rows = [...body.rows].map((row, number) => ({
  row,
  number,
  text: row.textContent.toLowerCase(),
  keys: [...row.cells].map((cell) => cell.dataset.key ?? cell.textContent.toLowerCase()),
  states: [...row.cells].map((cell) => cell.dataset.state),
}));
const form = document.querySelector('form');
const { q, state, on } = form.elements;
let by = '';
let down = false;

function column(name) {
  return heads.findIndex((head) => head.dataset.name === name);
}

function matches(entry, words, wanted, at) {
  if (!words.every((word) => entry.text.includes(word))) return false;
  if (!wanted) return true;
  return at < 0 ? entry.states.includes(wanted) : entry.states[at] === wanted;
}

function show() {
  const words = q.value.toLowerCase().split(/\s+/).filter(Boolean);
  const at = column(on.value);
  let shown = 0;
  for (const entry of rows) {
    const is = matches(entry, words, state.value, at);
    entry.row.hidden = !is;
    shown += is;
  }
  form.querySelector('output').textContent = `${shown} of ${rows.length} changes`;

  const sorted = [...rows];
  const key = column(by);
  if (key >= 0) {
    const order = (a, b) => (a.keys[key] < b.keys[key] ? -1 : a.keys[key] > b.keys[key] ? 1 : 0);
    sorted.sort((a, b) => (down ? -order(a, b) : order(a, b)) || a.number - b.number);
  }
  body.append(...sorted.map((entry) => entry.row));
  heads.forEach((head, index) => {
    if (index === key) head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    else head.removeAttribute('aria-sort');
  });
}

function remember() {
  const said = new URLSearchParams();
  if (q.value) said.set('q', q.value);
  if (state.value) said.set('state', state.value);
  if (on.value) said.set('on', on.value);
  if (by) said.set('by', by);
  if (down) said.set('down', '1');
  history.replaceState(null, '', `#${said}`);
}

function recall() {
  // The id of a commit is the place of its row, and says nothing of the rest.
  const said = new URLSearchParams(document.getElementById(location.hash.slice(1)) ? '' : location.hash.slice(1));
  q.value = said.get('q') ?? '';
  state.value = said.get('state') ?? '';
  on.value = said.get('on') ?? '';
  by = said.get('by') ?? '';
  down = said.get('down') === '1';
  show();
}

for (const head of heads) {
  const button = document.createElement('button');
  button.type = 'button';
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener('click', () => {
    const name = head.dataset.name;
    // Up, down, and as it was.
    [by, down] = by !== name ? [name, false] : down ? ['', false] : [name, true];
    show();
    remember();
  });
}
for (const kind of ['input', 'change']) form.addEventListener(kind, () => { show(); remember(); });
form.addEventListener('submit', (event) => event.preventDefault());
addEventListener('hashchange', recall);
form.hidden = false;
recall();
