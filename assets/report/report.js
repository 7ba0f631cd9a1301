/**
 * What the report does beyond showing: sorting tables, choosing a policy, time series, copying commands.
 *
 * Runs in the reader's browser, from the file itself. Without it everything but the time series is on the page.
 */

(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  /** Sorts a table by a column: numbers by value, text by the reader's language. Equal rows keep their order. */
  function sortBy(table, column, descending) {
    const body = table.tBodies[0];
    const keyOf = (row) => {
      const cell = row.cells[column];
      const key = cell.dataset.sort ?? cell.textContent;
      return key !== '' && Number.isFinite(Number(key)) ? Number(key) : key;
    };
    const rows = [...body.rows].map((row) => ({ row, key: keyOf(row) }));
    rows.sort((a, b) => {
      const order =
        typeof a.key === 'number' && typeof b.key === 'number'
          ? a.key - b.key
          : String(a.key).localeCompare(String(b.key));
      return descending ? -order : order;
    });
    body.append(...rows.map(({ row }) => row));
  }

  for (const table of all('table.sortable')) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector('button').addEventListener('click', () => {
        // Numbers are most often wanted largest first.
        const first = head.classList.contains('number') ? 'descending' : 'ascending';
        const other = first === 'descending' ? 'ascending' : 'descending';
        const next = head.getAttribute('aria-sort') === first ? other : first;
        for (const cell of heads) cell.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', next);
        sortBy(table, column, next === 'descending');
      });
    });
  }

  for (const button of all('.copy')) {
    button.hidden = false;
    const code = button.parentElement.querySelector('code');
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'Copied';
      } catch {
        // No permission: mark the text, so that the reader's own copy command takes it.
        getSelection().selectAllChildren(code);
        button.textContent = 'Marked';
      }
    });
  }

  const series = window.rxsteer ?? [];
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const colourOf = (index, of) => `hsl(${(index * 360) / of} 70% ${dark.matches ? 65 : 38}%)`;
  const plots = new Map();
  /** Lines for so many workers at most; beyond it the fullest, the middle and the idlest of each moment. */
  const LINES_MAX = 8;

  function linesOf({ intervalSeconds, loads }) {
    const workers = loads[0].length;
    // The last interval is rarely a whole one: its rate would be too low.
    if (loads.length > 2) loads = loads.slice(0, -1);
    const x = loads.map((_, i) => i * intervalSeconds);
    const rate = (packets) => packets / intervalSeconds;
    if (workers <= LINES_MAX) {
      const ys = Array.from({ length: workers }, (_, w) => loads.map((load) => rate(load[w])));
      return { data: [x, ...ys], names: ys.map((_, w) => `worker ${w}`) };
    }
    const sorted = loads.map((load) => [...load].sort((a, b) => b - a));
    const pick = (at) => sorted.map((load) => rate(load[at]));
    return {
      data: [x, pick(0), pick(workers >> 1), pick(workers - 1)],
      names: ['fullest', 'median', 'idlest'],
    };
  }

  function draw(figure) {
    const index = Number(figure.dataset.series);
    const { data, names } = linesOf(series[index]);
    const box = figure.querySelector('.plot');
    const style = getComputedStyle(document.documentElement);
    const axis = {
      stroke: style.getPropertyValue('--quiet'),
      grid: { stroke: style.getPropertyValue('--line'), width: 1 },
    };
    plots.get(index)?.destroy();
    const width = Math.max(280, box.clientWidth);
    const plot = new uPlot(
      {
        width,
        height: 240,
        // From zero: a narrow band must not look like a gap.
        scales: { x: { time: false }, y: { range: (_, __, most) => [0, most * 1.05 || 1] } },
        axes: [
          { ...axis, label: 's', labelSize: 18 },
          { ...axis, size: 70 },
        ],
        series: [
          { label: 'time', value: (_, at) => (at === null ? 'point at the plot' : `${at.toPrecision(3)} s`) },
          ...names.map((label, i) => ({
            label,
            stroke: colourOf(i, names.length),
            width: 1.5,
            value: (_, rate) => (rate === null ? '' : Math.round(rate).toLocaleString('en-GB')),
          })),
        ],
      },
      data,
      box,
    );
    plot.root.setAttribute('role', 'img');
    plot.root.setAttribute(
      'aria-label',
      `Packets a second of ${names.join(', ')} over time; see the heat map.`,
    );
    plots.set(index, plot);
  }

  function drawVisible() {
    for (const figure of all('[data-series]')) {
      const one = series[Number(figure.dataset.series)];
      // A line needs two points.
      if (one === undefined || one.loads.length < 2 || one.loads[0].length === 0) continue;
      figure.hidden = false;
      if (figure.offsetParent !== null) draw(figure);
    }
  }

  const chooser = document.querySelector('.chooser');
  const select = document.querySelector('#policy');
  function show() {
    for (const section of all('section[data-policy]')) {
      section.classList.toggle('off', select.value !== 'all' && section.dataset.policy !== select.value);
    }
    drawVisible();
  }
  if (select !== null) {
    chooser.hidden = false;
    select.addEventListener('change', show);
    // Links of the comparison lead to a policy that may not be shown.
    const follow = () => {
      const match = /^#policy-(\d+)$/.exec(location.hash);
      if (match === null) return;
      select.value = match[1];
      show();
      document.querySelector(location.hash).scrollIntoView();
    };
    addEventListener('hashchange', follow);
    show();
    follow();
  } else {
    drawVisible();
  }
  dark.addEventListener('change', drawVisible);
  let width = innerWidth;
  addEventListener('resize', () => {
    if (innerWidth === width) return;
    width = innerWidth;
    drawVisible();
  });
  addEventListener('beforeprint', drawVisible);
})();
