'use strict';
const D = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const el = (tag, text, cls) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; if (cls) e.className = cls; return e; };
const NS = 'http://www.w3.org/2000/svg';
const svg = (tag, attrs, text) => { const e = document.createElementNS(NS, tag); for (const k in attrs) e.setAttribute(k, attrs[k]); if (text !== undefined) e.textContent = text; return e; };
const size = sectors => { let v = sectors * 512, u = 0; const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']; while (v >= 1024 && u < 5) { v /= 1024; u++; } return (u ? v.toFixed(1) : v) + ' ' + units[u]; };
const MARKS = ['free', 'clean', 'dirty', 'metadata', 'unknown'];
const USES = ['', 'superblock', 'journal', 'prio', 'uuid', 'btree'];

function head() {
  document.title = D.device + ': ' + D.word;
  $('device').textContent = D.device;
  $('verdict').textContent = D.word + ': ' + D.verdict + (D.complete ? '' : ' (not all could be read)');
  if (D.damaged || !D.complete) $('verdict').className = 'bad';
  for (const [k, v] of D.facts) { const d = el('div'); d.append(el('dt', k), el('dd', v)); $('facts').append(d); }
  for (const s of D.steps) {
    const li = el('li', s.advice + ' ');
    if (s.command) li.append(el('code', s.command));
    $('steps').append(li);
  }
  $('todo').hidden = D.steps.length === 0;
}

// The map. view is the run of buckets that is shown; cells of several buckets where there are more than pixels.
const N = D.buckets;
const map = { by: 'mark', from: 0, to: N, cols: 1, rows: 1, per: 1, stack: [] };
let T = null;

async function tables() {
  const packed = Uint8Array.from(atob(D.map), c => c.charCodeAt(0));
  const plain = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
  const at = i => new Uint8Array(plain, i * N, N);
  const mark = at(0), lost = new Uint8Array(N);
  for (let b = 0; b < N; b++) { lost[b] = mark[b] >> 7; mark[b] &= 127; }
  T = { mark, lost, gen: at(1), age: at(2), fill: at(3), use: at(4), prio: new DataView(plain, 5 * N) };
}

const prio = b => T.prio.getUint16(2 * b, true);
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rgb = hex => { const n = parseInt(hex.length === 4 ? hex.replace(/#(.)(.)(.)/, '$1$1$2$2$3$3') : hex.slice(1), 16); return [n >> 16, n >> 8 & 255, n & 255]; };
const ramp = x => { // dark blue, green, yellow
  const stops = [[48, 18, 120], [33, 110, 160], [60, 180, 110], [240, 220, 60]], y = Math.min(Math.max(x, 0), 1) * 3, i = Math.min(y | 0, 2), f = y - i;
  return stops[i].map((c, k) => c + (stops[i + 1][k] - c) * f);
};
const WORST = [0, 1, 4, 2, 3]; // of several buckets the mark that is told: dirty before all but what is unknown

function layout() {
  const c = $('map'), width = Math.max(c.clientWidth, 50), ratio = Math.min(devicePixelRatio || 1, 2), n = map.to - map.from;
  const height = Math.max(120, Math.min(420, width * .45));
  c.style.height = height + 'px';
  c.width = Math.round(width * ratio); c.height = Math.round(height * ratio);
  let side = Math.sqrt(c.width * c.height / n);
  side = Math.max(1, Math.floor(side));
  while (side > 1 && Math.floor(c.width / side) * Math.floor(c.height / side) < n) side--;
  map.cols = Math.max(1, Math.floor(c.width / side)); map.rows = Math.max(1, Math.floor(c.height / side));
  map.per = Math.max(1, Math.ceil(n / (map.cols * map.rows)));
  map.side = side;
  while (Math.ceil(Math.ceil(n / map.per) / map.cols) > map.rows) map.per++;
  map.rows = Math.ceil(Math.ceil(n / map.per) / map.cols); // and the rest of the page moves up
  c.height = map.rows * side;
  c.style.height = c.height / ratio + 'px';
}

function value(b) {
  switch (map.by) {
    case 'gen': return T.gen[b] / 255;
    case 'prio': return prio(b) / 65535;
    default: return Math.min(T.age[b] / 96, 1);
  }
}

function draw() {
  const began = performance.now();
  layout();
  const c = $('map'), g = c.getContext('2d'), colours = MARKS.map(m => rgb(css('--' + m))), back = rgb(css('--back'));
  const count = Math.ceil((map.to - map.from) / map.per), small = document.createElement('canvas');
  small.width = map.cols; small.height = map.rows;
  const img = small.getContext('2d').createImageData(map.cols, map.rows), px = img.data;
  for (let i = 0; i < map.cols * map.rows; i++) {
    let p = back;
    if (i < count) {
      const from = map.from + i * map.per, to = Math.min(from + map.per, map.to);
      if (map.by === 'mark') {
        let m = 0;
        for (let b = from; b < to; b++) if (WORST[T.mark[b]] > WORST[m]) m = T.mark[b];
        p = colours[m];
      } else {
        let most = -1;
        for (let b = from; b < to; b++) if (!T.lost[b]) most = Math.max(most, value(b));
        p = most < 0 ? colours[4] : ramp(most);
      }
    }
    px[4 * i] = p[0]; px[4 * i + 1] = p[1]; px[4 * i + 2] = p[2]; px[4 * i + 3] = 255;
  }
  small.getContext('2d').putImageData(img, 0, 0);
  g.imageSmoothingEnabled = false;
  g.fillStyle = css('--back'); g.fillRect(0, 0, c.width, c.height);
  g.drawImage(small, 0, 0, map.cols * map.side, map.rows * map.side);
  $('range').textContent = 'buckets ' + map.from + ' to ' + (map.to - 1) + (map.per > 1 ? ', ' + map.per + ' in each cell' : '');
  $('out').disabled = map.stack.length === 0;
  legend();
  document.documentElement.dataset.drawn = String(Math.round(performance.now() - began)); // milliseconds, for tests
}

function legend() {
  const l = $('legend'); l.replaceChildren();
  const key = (colour, text) => { const k = el('span', '', 'key'); k.style.background = colour; const both = el('span', undefined, 'entry'); both.append(k, text); l.append(both, ' '); };
  if (map.by === 'mark') MARKS.forEach((m, i) => { const n = marks[i]; if (n) key('var(--' + m + ')', m + ' ' + n); });
  else {
    const ends = { gen: ['0', '255'], prio: ['0', '65535'], age: ['no older pointer', '96 gens behind or more'] }[map.by];
    if (lost) key('var(--unknown)', 'unknown ' + lost);
    key('rgb(' + ramp(0) + ')', ends[0]); key('rgb(' + ramp(.5) + ')', ''); key('rgb(' + ramp(1) + ')', ends[1]);
  }
}

function cellAt(e) {
  const r = $('map').getBoundingClientRect(), k = $('map').width / r.width;
  const x = Math.floor((e.clientX - r.left) * k / map.side), y = Math.floor((e.clientY - r.top) * k / map.side);
  if (x < 0 || y < 0 || x >= map.cols || y >= map.rows) return null;
  const from = map.from + (y * map.cols + x) * map.per;
  return from < map.to ? [from, Math.min(from + map.per, map.to)] : null;
}

function usedBy(b) {
  const u = T.use[b];
  if (u < 16) return USES[u] || '';
  return u === 255 ? 'volume 239 or higher' : 'volume ' + (u - 16);
}

function describe([from, to]) {
  if (to - from === 1) {
    const m = MARKS[T.mark[from]], u = usedBy(from);
    return 'bucket ' + from + '\n' + m + (u ? ', ' + u : '') + (T.fill[from] ? ', ' + Math.round(T.fill[from] / 2.55) + '% live' : '') +
      (T.lost[from] ? '\ngen, prio and age unknown' : '\ngen ' + T.gen[from] + ', prio ' + prio(from) + ', oldest pointer ' + T.age[from] + ' gens behind');
  }
  const n = [0, 0, 0, 0, 0];
  for (let b = from; b < to; b++) n[T.mark[b]]++;
  return 'buckets ' + from + ' to ' + (to - 1) + '\n' + MARKS.map((m, i) => n[i] ? n[i] + ' ' + m : '').filter(Boolean).join(', ');
}

function hover(e) {
  const tip = $('tip'), cell = T && cellAt(e);
  if (!cell) { tip.hidden = true; return; }
  tip.textContent = describe(cell);
  tip.hidden = false;
  const box = $('mapbox').getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
  tip.style.left = Math.max(0, Math.min(x + 12, box.width - tip.offsetWidth)) + 'px';
  tip.style.top = (y + 16) + 'px';
}

function zoom(b) {
  const n = map.to - map.from, next = Math.max(64, Math.ceil(n / 12));
  if (next >= n) return;
  map.stack.push([map.from, map.to]);
  map.from = Math.max(0, Math.min(b - (next >> 1), N - next)); map.to = map.from + next;
  draw();
}

function zoomOut() {
  const last = map.stack.pop();
  if (last) { [map.from, map.to] = last; draw(); }
}

function by(name) {
  map.by = name;
  for (const b of document.querySelectorAll('[data-by]')) b.setAttribute('aria-pressed', String(b.dataset.by === name));
  draw();
}

const counted = n => n || !D.counts ? D.counts + size(n) : 'unknown how much is'; // as fsck says it

function volumes() {
  for (const v of D.volumes) {
    const box = el('div', undefined, 'volume'), w = v.cells.length, part = Math.ceil(v.size / w);
    box.append(el('p', v.name + ': ' + counted(v.live) + ' cached, ' + counted(v.dirty) + ' dirty' + (v.known ? ' of ' + size(v.size) : '; its size is not known, shown up to ' + size(v.size))));
    const s = svg('svg', { viewBox: `0 0 ${w} 34`, preserveAspectRatio: 'none', role: 'img', 'aria-label': 'what is cached, over the volume' });
    s.append(svg('rect', { x: 0, y: 0, width: w, height: 34, fill: 'var(--free)' }));
    v.cells.forEach(([live, dirty], i) => {
      const h = live ? Math.max(2, Math.min(1, live / part) * 34) : 0, d = dirty ? Math.max(2, Math.min(1, dirty / part) * 34) : 0;
      if (h) { const r = svg('rect', { x: i, y: 34 - h, width: 1, height: h, fill: 'var(--clean)' }); r.append(svg('title', {}, size(i * part) + ': ' + size(live) + ' cached, ' + size(dirty) + ' dirty')); s.append(r); }
      if (d) s.append(svg('rect', { x: i, y: 34 - d, width: 1, height: d, fill: 'var(--dirty)', 'pointer-events': 'none' }));
    });
    s.style.height = '34px';
    box.append(s);
    $('volumes').append(box);
  }
  if (D.volumes.length === 0) $('volumes').append(el('p', 'none'));
}

function journal() {
  const n = D.journal.length, bucket = D.bucket_sectors * 512;
  if (n === 0) { $('journal').append(el('p', 'none: it was never registered')); return; }
  const s = svg('svg', { viewBox: `0 0 ${n} 30`, preserveAspectRatio: 'none', role: 'img', 'aria-label': 'how full each journal bucket is' });
  s.style.height = '30px';
  let live = 0;
  D.journal.forEach((j, i) => {
    const a = j.live / bucket * 30, b = j.old / bucket * 30;
    if (j.live) live++;
    const r = svg('g', {});
    r.append(svg('rect', { x: i, y: 0, width: .92, height: 30, fill: 'var(--free)' }), svg('rect', { x: i, y: 30 - a - b, width: .92, height: b, fill: 'var(--metadata)', opacity: .45 }), svg('rect', { x: i, y: 30 - a, width: .92, height: a, fill: 'var(--dirty)' }));
    r.append(svg('title', {}, 'journal bucket ' + i + (j.newest ? ', the newest entry' : '') + ': ' + size(j.live / 512) + ' live, ' + size(j.old / 512) + ' of older laps'));
    s.append(r);
  });
  $('journal').append(s, el('p', live + ' of ' + n + ' journal buckets hold entries that a replay needs', 'soft'));
}

function bars(title, series, labels) {
  const f = el('figure'), n = series[0].counts.length, w = 320, h = 110;
  const top = Math.max(1, ...Array.from({ length: n }, (_, i) => series.reduce((sum, s) => sum + s.counts[i], 0)));
  const s = svg('svg', { viewBox: `0 0 ${w} ${h + 16}`, role: 'img', 'aria-label': title });
  for (let i = 0; i < n; i++) {
    let y = h;
    for (const one of series) {
      const k = one.counts[i] / top * (h - 4);
      if (!k) continue;
      const hh = Math.max(k, .7); y -= hh;
      const r = svg('rect', { x: i * w / n, y, width: Math.max(w / n - .4, .5), height: hh, fill: one.colour });
      r.append(svg('title', {}, labels(i) + ': ' + one.counts[i] + ' ' + one.name)); s.append(r);
    }
  }
  s.append(svg('line', { x1: 0, y1: h, x2: w, y2: h, stroke: 'var(--line)' }), svg('text', { x: 0, y: h + 13 }, labels(0)), svg('text', { x: w, y: h + 13, 'text-anchor': 'end' }, labels(n - 1)));
  f.append(el('figcaption', title), s);
  $('histograms').append(f);
}

let marks = [0, 0, 0, 0, 0], lost = 0;
function histograms() {
  const gens = new Array(64).fill(0), prios = new Array(64).fill(0), ages = new Array(33).fill(0);
  for (let b = 0; b < N; b++) { marks[T.mark[b]]++; if (T.lost[b]) { lost++; continue; } gens[T.gen[b] >> 2]++; prios[prio(b) >> 10]++; ages[Math.min(T.age[b] >> 2, 32)]++; }
  bars('extents by size', [{ name: 'clean', colour: 'var(--clean)', counts: D.sizes[0] }, { name: 'dirty', colour: 'var(--dirty)', counts: D.sizes[1] }], i => size(2 ** i));
  bars('buckets by gen', [{ name: 'buckets', colour: 'var(--metadata)', counts: gens }], i => String(i * 4));
  bars('buckets by prio', [{ name: 'buckets', colour: 'var(--metadata)', counts: prios }], i => String(i * 1024));
  bars('buckets by age: how many gens the oldest pointer is behind', [{ name: 'buckets', colour: 'var(--metadata)', counts: ages }], i => i === 32 ? '128' : String(i * 4));
}

function findings() {
  for (const f of D.findings) {
    const d = el('details', undefined, f.severity), s = el('summary', f.code + ' ' + f.severity + ': ' + f.title + (f.count > 1 ? ' (' + f.count + ')' : ''));
    d.open = f.severity === 'damage';
    const ul = el('ul');
    for (const m of f.first) ul.append(el('li', m));
    if (f.count > f.first.length) ul.append(el('li', '... and ' + (f.count - f.first.length) + ' more'));
    d.append(s, el('p', f.help), ul, el('p', f.advice));
    $('findings').append(d);
  }
  if (D.findings.length === 0) $('findings').append(el('p', 'none'));
}

// On paper the map has the colours of paper, and every finding is open.
const opened = [];
function paper(on) {
  for (const d of document.querySelectorAll('details:not([open])')) if (on) { d.open = true; opened.push(d); }
  if (!on) for (const d of opened.splice(0)) d.open = false;
  draw();
}

async function start() {
  head(); volumes(); journal(); findings();
  await tables();
  histograms();
  draw();
  if (lost) $('histograms').append(el('p', 'gen, prio and age of ' + lost + ' buckets are unknown, and not counted'));
  const c = $('map');
  c.addEventListener('mousemove', hover);
  c.addEventListener('mouseleave', () => { $('tip').hidden = true; });
  c.addEventListener('click', e => { const cell = cellAt(e); if (cell) { zoom(cell[0]); hover(e); } });
  c.addEventListener('keydown', e => { if (e.key === '+' || e.key === 'Enter') zoom((map.from + map.to) >> 1); else if (e.key === '-' || e.key === 'Escape') zoomOut(); });
  $('out').addEventListener('click', zoomOut);
  for (const b of document.querySelectorAll('[data-by]')) b.addEventListener('click', () => by(b.dataset.by));
  let waiting = 0;
  addEventListener('resize', () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(draw); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  matchMedia('print').addEventListener('change', e => paper(e.matches));
  document.documentElement.dataset.ready = 'yes';
}
start();
