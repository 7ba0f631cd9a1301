/** The page: what comes by the stream goes into its sections, second by second. */
(() => {
  const { listen, merge, post, heat, lines, short, make, table, show, rate } = window.rxsteer;
  const element = (id) => document.getElementById(id);
  const COLOURS = ['--c0', '--c1', '--c2', '--c3', '--c4', '--c5'];
  const DASHES = [[], [6, 3], [2, 2]];

  let past = null;
  let told = null;
  let before = null;
  let described = 0;

  const perSecond = (counted, ms) => counted.map((value, i) => (ms[i] > 0 ? (value * 1000) / ms[i] : 0));
  const sum = (values) => values.reduce((a, b) => a + b, 0);

  function say(text, kind = '') {
    const state = element('state');
    if (state.textContent !== text) state.textContent = text;
    state.className = kind;
  }

  function duration(ms) {
    const minutes = Math.floor(ms / 60_000);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  /** Rows of the heat map that was chosen. */
  function heatRows() {
    const { ms } = past.rows;
    switch (element('heat-what').value) {
      case 'busy':
        return past.workers.map(({ id, busyMs }) => ({
          name: `worker ${id}`,
          values: perSecond(busyMs, ms).map((busy) => busy / 1000),
        }));
      case 'queues':
        return past.queues.map(({ port, id, packets }) => ({
          name: `${port}/${id}`,
          values: perSecond(packets, ms),
        }));
      case 'guests':
        return past.guests.map(({ mac, toPackets }) => ({ name: mac, values: perSecond(toPackets, ms) }));
      default:
        return past.workers.map(({ id, processed }) => ({
          name: `worker ${id}`,
          values: perSecond(processed, ms),
        }));
    }
  }

  function draw() {
    if (past === null) return;
    const { ms } = past.rows;
    const rows = heatRows();
    const isBusy = element('heat-what').value === 'busy';
    const most = isBusy ? 1 : Math.max(0, ...rows.flatMap(({ values }) => values));
    heat(element('heat'), past, rows, most);
    const all = [
      { name: 'received', values: perSecond(past.totals.received, ms) },
      ...past.workers
        .slice(0, 16)
        .map(({ id, processed }) => ({ name: `worker ${id}`, values: perSecond(processed, ms) })),
      { name: 'dropped', values: perSecond(past.totals.dropped, ms) },
    ].map((line, i) => ({ ...line, paint: COLOURS[i % 6], dash: DASHES[Math.floor(i / 6) % 3] }));
    lines(element('lines'), past, all);
    legend(all);
    describe(rows, all, isBusy);
  }

  function legend(all) {
    const swatch = ({ paint }) => {
      const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      svg.setAttribute('width', '14');
      svg.setAttribute('height', '10');
      const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
      for (const [name, value] of Object.entries({ y: '3', width: '14', height: '4', fill: `var(${paint})` }))
        bar.setAttribute(name, value);
      svg.append(bar);
      svg.setAttribute('aria-hidden', 'true');
      return svg;
    };
    show(
      'legend',
      ...all.map((line) => make('li', {}, swatch(line), `${line.name} ${short(line.values.at(-1) ?? 0)}/s`)),
    );
  }

  /** The pictures in words, for those who do not see them; not every second, since it would be read out. */
  function describe(rows, all, isBusy) {
    const now = performance.now();
    if (now - described < 10_000 && described > 0) return;
    described = now;
    const mean = ({ values }) => sum(values) / Math.max(1, values.length);
    const fullest = rows.length === 0 ? null : rows.reduce((a, b) => (mean(b) > mean(a) ? b : a));
    const figure = (value) => (isBusy ? `${(100 * value).toFixed(0)} %` : `${short(value)} packets a second`);
    const text =
      fullest === null
        ? 'No figures yet.'
        : `${fullest.name} has most: ${figure(mean(fullest))} on average, of ${rows.length} in all. Full colour is ${isBusy ? '100 %' : `the most of all, ${figure(Math.max(0, ...rows.flatMap(({ values }) => values)))}`}.`;
    element('heat-text').textContent = text;
    element('heat').setAttribute('aria-label', `Heat map over the last ten minutes. ${text}`);
    const rates = all.map((line) => `${line.name} ${short(line.values.at(-1) ?? 0)} a second`).join(', ');
    element('lines').setAttribute('aria-label', `Rates over the last ten minutes; now: ${rates}.`);
  }

  function figures() {
    const { status, stats, policy } = told;
    const old = before ?? stats;
    const ms = stats.durationMs - old.durationMs;
    const { totals } = stats;
    const dropped = ({ totals: { dropped: reasons } }) => sum(Object.values(reasons));
    const load = stats.workers.map((worker, w) => rate(worker.processed, old.workers[w]?.processed, ms));
    const imbalance = sum(load) > 0 ? (Math.max(...load) * load.length) / sum(load) : null;
    const out = (one) => one.totals.transmitted + one.totals.delivered;
    element('what').textContent =
      `${status.mode}, order ${status.order}, ${status.workers} workers, up ${duration(status.uptimeMs)}, process ${status.pid}`;
    const { changedEntries } = policy;
    element('policy').textContent =
      policy.policy + (changedEntries > 0 ? ` (${changedEntries} entries of its table were set since)` : '');
    document.title = `rxsteer: ${policy.policy}`;
    window.rxsteer.tiles([
      { title: 'received', value: `${short(rate(totals.received, old.totals.received, ms))}/s` },
      { title: 'sent, delivered', value: `${short(rate(out(stats), out(old), ms))}/s` },
      { title: 'dropped in all', value: short(dropped(stats)), bad: dropped(stats) > dropped(old) },
      { title: 'reordered', value: short(totals.reordered), bad: totals.reordered > 0 },
      { title: 'fullest / fair share', value: imbalance === null ? '-' : imbalance.toFixed(2) },
      { title: 'in flight', value: short(totals.inFlight) },
    ]);
    window.rxsteer.workers(stats, old, ms);
    window.rxsteer.handoffs(stats, old, ms);
    window.rxsteer.guests(past, why);
    window.rxsteer.flows(told.flows, why);
    window.rxsteer.ports(stats, old, ms);
    window.rxsteer.losses(stats);
    events();
  }

  let listed = '';
  function events() {
    const key = JSON.stringify(past.events.map(({ id }) => id));
    if (key === listed) return;
    listed = key;
    const items = [...past.events]
      .reverse()
      .map(({ id, at, kind, text, durationMs }) =>
        make(
          'li',
          { value: String(id + 1) },
          make('time', { datetime: new Date(at).toISOString() }, new Date(at).toLocaleTimeString()),
          ` ${kind}: ${text}${durationMs === null ? '' : ` (${durationMs} ms)`}`,
        ),
      );
    element('events').reversed = true;
    show(
      'events',
      ...(items.length > 0 ? items : [make('li', { class: 'quiet' }, 'Nothing was changed yet.')]),
    );
  }

  const problem = (error) => make('p', { class: 'bad' }, error.message);

  /** The question that was asked last: an answer to an earlier one comes too late. */
  let asked = 0;

  /** @param wanted `{ mac }` or `{ flow }` */
  async function why(name, wanted) {
    const question = ++asked;
    const answer = (...children) => {
      if (question === asked) element('why').replaceChildren(...children);
    };
    answer(make('p', { class: 'quiet' }, `Looking at the next packets of ${name} …`));
    element('h-why').scrollIntoView({ block: 'nearest' });
    try {
      const { looked, flows } = await post('/why', wanted);
      const rows = flows.map((flow) => [
        make('code', {}, flow.packet),
        flow.from,
        String(flow.by),
        flow.bucket === null ? '-' : String(flow.bucket),
        String(flow.to),
        { text: flow.why, kind: 'wrap' },
      ]);
      const number = (title) => ({ title, number: true });
      const heads = [
        { title: 'flow' },
        { title: 'port/queue' },
        number('decided by'),
        number('bucket'),
        number('to worker'),
        { title: 'why' },
      ];
      answer(
        make('h3', {}, name),
        rows.length === 0
          ? make(
              'p',
              {},
              looked === 0
                ? 'No packet at all came within 1.5 s.'
                : `None of the ${looked} packets that were looked at was of it: ask again, it may be rare or over.`,
            )
          : make(
              'div',
              { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Decisions' },
              table('Decisions', heads, rows),
            ),
      );
    } catch (error) {
      answer(problem(error));
    }
  }

  function planned(policy, plan) {
    const allowed = told?.status.allowApply === true;
    const apply = make(
      'button',
      { type: 'button', disabled: !allowed || plan.method === 'none', onclick: () => applied(policy) },
      'Apply',
    );
    const share = (loads) => {
      const all = sum(loads);
      return loads.map((load) => (all > 0 ? `${((100 * load) / all).toFixed(1)} %` : '-'));
    };
    const [now, then] = [share(plan.before.workers), share(plan.after.workers)];
    const rows = Array.from({ length: Math.max(now.length, then.length) }, (_, w) => [
      String(w),
      now[w] ?? '-',
      then[w] ?? '-',
    ]);
    const number = (title) => ({ title, number: true });
    element('plan').replaceChildren(
      make('ul', {}, ...plan.words.map((words) => make('li', {}, words))),
      table('Balance', [number('worker'), number('now'), number('then')], rows),
      make(
        'p',
        { class: 'row' },
        apply,
        allowed
          ? ''
          : 'To apply it here the forwarder must be started with --allow-apply; rxsteer ctl apply does it at any time.',
      ),
    );
  }

  async function applied(policy) {
    try {
      const { changes, durationMs } = await post('/apply', { policy });
      const undo = make('button', { type: 'button', onclick: undone }, 'Roll back');
      const text = changes.map((change) => change.text).join('; ') || 'nothing to do';
      element('plan').replaceChildren(
        make('p', { class: 'good' }, `done: ${text} (${durationMs} ms)`),
        make('p', {}, undo),
      );
    } catch (error) {
      element('plan').replaceChildren(problem(error));
    }
  }

  async function undone() {
    try {
      const { changes } = await post('/rollback', {});
      element('plan').replaceChildren(
        make('p', { class: 'good' }, `undone: ${changes.map((change) => change.text).join('; ')}`),
      );
    } catch (error) {
      element('plan').replaceChildren(problem(error));
    }
  }

  element('what-if').addEventListener('submit', async (event) => {
    event.preventDefault();
    const policy = element('new-policy').value.trim();
    try {
      planned(policy, await post('/plan', { policy }));
    } catch (error) {
      element('plan').replaceChildren(problem(error));
    }
  });
  element('heat-what').addEventListener('change', () => {
    described = 0;
    draw();
  });
  window.addEventListener('resize', draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);

  // Tables that are wider than the screen can be scrolled by keys.
  for (const place of document.querySelectorAll('.scroll')) {
    place.setAttribute('tabindex', '0');
    place.setAttribute('role', 'region');
    place.setAttribute('aria-label', place.parentElement.querySelector('h2').textContent);
  }

  listen((event, data) => {
    if (event !== 'told') {
      say(event === 'gone' ? `the forwarder does not answer: ${data.error}` : data.error, 'bad');
      return;
    }
    say('live', 'good');
    past = merge(past, data.history);
    before = told?.stats ?? null;
    if (before !== null && before.durationMs > data.stats.durationMs) before = null;
    told = data;
    figures();
    draw();
  });
})();
