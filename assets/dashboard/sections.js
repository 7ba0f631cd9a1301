/** The tables: everything is made of text nodes, so that nothing that a port or guest is called can be markup. */
(() => {
  const { short } = window.rxsteer;

  /** An element with attributes and children; strings become text. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === 'onclick') element.addEventListener('click', value);
      else if (value !== false) element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children);
    return element;
  }

  /** A table: headings with `number`, rows of strings, elements or `{ text, kind }`. */
  function table(caption, headings, rows) {
    const cell = (tag, value, number, more = {}) => {
      const { text, kind } = value?.text === undefined || value instanceof Node ? { text: value } : value;
      const kinds = [number ? 'number' : '', kind ?? ''].join(' ').trim();
      return make(tag, { ...more, ...(kinds === '' ? {} : { class: kinds }) }, text ?? '');
    };
    const head = headings.map(({ title, number }) => cell('th', title, number, { scope: 'col' }));
    const body = rows.map((row) =>
      make('tr', {}, ...row.map((value, c) => cell('td', value, headings[c].number))),
    );
    return make(
      'table',
      {},
      make('caption', { class: 'hidden' }, caption),
      make('thead', {}, make('tr', {}, ...head)),
      make('tbody', {}, ...body),
    );
  }

  /** Replaces what stands there; a button that somebody is on keeps the focus. */
  function show(id, ...children) {
    const place = document.getElementById(id);
    const on = place.contains(document.activeElement)
      ? document.activeElement.getAttribute('aria-label')
      : null;
    place.replaceChildren(...children);
    if (on !== null && document.activeElement !== place) {
      [...place.querySelectorAll('button')]
        .find((button) => button.getAttribute('aria-label') === on)
        ?.focus();
    }
  }

  const right = (title) => ({ title, number: true });
  const left = (title) => ({ title });
  const wrong = (count) => ({ text: short(count), kind: count > 0 ? 'bad' : '' });
  const percent = (part) => `${(100 * part).toFixed(0)} %`;

  /** Counted since the last reading, a second. */
  const rate = (now, before, ms) => (ms > 0 ? (Math.max(0, now - (before ?? 0)) * 1000) / ms : 0);

  function tiles(entries) {
    show(
      'tiles',
      ...entries.map(({ title, value, bad }) =>
        make('div', {}, make('dt', {}, title), make('dd', bad ? { class: 'bad' } : {}, value)),
      ),
    );
  }

  function workers(stats, before, ms) {
    const rows = stats.workers.map((worker, w) => {
      const old = before.workers[w];
      return [
        String(worker.id),
        worker.cpu === null ? 'any' : String(worker.cpu),
        percent(Math.min(1, rate(worker.busyMs, old?.busyMs, ms) / 1000)),
        short(rate(worker.received, old?.received, ms)),
        short(rate(worker.processed, old?.processed, ms)),
        short(rate(worker.handedOff, old?.handedOff, ms)),
        short(rate(worker.wakeupsReceived, old?.wakeupsReceived, ms)),
        wrong(worker.deaths),
      ];
    });
    const heads = [right('worker'), right('CPU'), right('busy'), right('received/s'), right('processed/s')];
    show(
      'workers',
      table('Workers', [...heads, right('handed off/s'), right('woken/s'), right('died')], rows),
    );
  }

  function handoffs(stats, before, ms) {
    const ids = stats.workers.map(({ id }) => id);
    const old = new Map(before.handoffs.map(({ from, to, packets }) => [`${from} ${to}`, packets]));
    const rates = new Map(
      stats.handoffs.map(({ from, to, packets }) => [
        `${from} ${to}`,
        rate(packets, old.get(`${from} ${to}`), ms),
      ]),
    );
    const rows = ids.map((from) => [
      `from ${from}`,
      ...ids.map((to) => (from === to ? '·' : short(rates.get(`${from} ${to}`) ?? 0))),
    ]);
    if (ids.length < 2)
      show('handoffs', make('p', { class: 'quiet' }, 'One worker: nobody to hand over to.'));
    else show('handoffs', table('Hand-offs', [left(''), ...ids.map((to) => right(`to ${to}`))], rows));
  }

  function guests(history, why) {
    const { ms } = history.rows;
    const last = (values) => (ms.length > 0 ? ((values.at(-1) ?? 0) * 1000) / ms.at(-1) : 0);
    const rows = [...history.guests]
      .sort((a, b) => last(b.toPackets) - last(a.toPackets) || (a.mac < b.mac ? -1 : 1))
      .map((guest) => [
        make('code', {}, guest.mac),
        short(last(guest.toPackets)),
        short(last(guest.fromPackets)),
        guest.owner === null ? '-' : String(guest.owner),
        guest.port ?? '-',
        String(guest.workers),
        make(
          'button',
          {
            type: 'button',
            'aria-label': `Why does ${guest.mac} go where it goes?`,
            onclick: () => why(guest.mac, { mac: guest.mac }),
          },
          'Why?',
        ),
      ]);
    const heads = [left('guest'), right('to it/s'), right('from it/s'), right('owner'), left('port')];
    if (rows.length === 0) show('guests', make('p', { class: 'quiet' }, 'No guest was seen yet.'));
    else show('guests', table('Guests', [...heads, right('workers'), left('')], rows));
  }

  function flows({ windowMs, seen, packets, flows: heaviest }, why) {
    const share = (part) => (packets > 0 ? `${((100 * part) / packets).toFixed(1)} %` : '-');
    const told = heaviest.reduce((sum, one) => sum + one.packets, 0);
    const text = document.getElementById('flows-text');
    text.textContent =
      seen === 0
        ? 'No packet came lately.'
        : `${heaviest.length} of ${short(seen)} flows seen lately, with ${share(told)} of their packets.`;
    const rows = heaviest.map((one) => [
      { text: make('code', {}, one.shared ? `${one.flow} and others` : one.flow), kind: 'wrap' },
      short(windowMs > 0 ? (one.packets * 1000) / windowMs : 0),
      share(one.packets),
      `${one.port}/${one.queue}`,
      String(one.worker),
      make(
        'button',
        {
          type: 'button',
          'aria-label': `Why does ${one.flow}, received at ${one.port}/${one.queue}, go to worker ${one.worker}?`,
          onclick: () => why(one.flow, { flow: one.flow }),
        },
        'Why?',
      ),
    ]);
    const heads = [
      left('flow'),
      right('packets/s'),
      right('share'),
      left('port/queue'),
      right('worker'),
      left(''),
    ];
    show('flows', table('Heaviest flows', heads, rows));
  }

  function ports(stats, before, ms) {
    const rows = stats.ports
      .filter(({ removed }) => removed !== true)
      .map((port) => {
        const old = before.ports.find(({ name, removed }) => name === port.name && removed !== true);
        const out = (one) => one.tx.packets + one.delivered.packets;
        return [
          port.name,
          port.kind,
          short(rate(port.rx.packets, old?.rx.packets, ms)),
          short(rate(out(port), old === undefined ? 0 : out(old), ms)),
          wrong(port.rx.kernelDrops),
          wrong(port.tx.errors),
        ];
      });
    const heads = [left('port'), left('kind'), right('received/s'), right('sent/s')];
    show('ports', table('Ports', [...heads, right('kernel drops'), right('errors')], rows));
  }

  function losses({ totals, orderByClass }) {
    const drops = Object.entries(totals.dropped).filter(([, count]) => count > 0);
    const rows = [
      ...drops.map(([reason, count]) => [`dropped: ${reason}`, wrong(count)]),
      ...orderByClass.map((one) => [`reordered: ${one.class} of ${short(one.frames)}`, wrong(one.reordered)]),
      ['flow moves', short(totals.moves)],
      ['moves that waited', short(totals.movesPostponed)],
      ['moves given up', short(totals.movesCancelled)],
    ];
    show(
      'losses',
      table('Losses and order, since the start', [left('since the start'), right('packets')], rows),
    );
  }

  Object.assign(window.rxsteer, {
    make,
    table,
    show,
    tiles,
    workers,
    handoffs,
    guests,
    flows,
    ports,
    losses,
    rate,
  });
})();
