/**
 * The stream of figures: the token, the connection, and ten minutes of history put together.
 *
 * The token stands behind the number sign of the address, which no server sees; it is kept for this tab only.
 */
(() => {
  const KEY = 'rxsteer-token';
  const LOST_MS = 2000;

  function token() {
    const given = location.hash.slice(1);
    if (given !== '') {
      sessionStorage.setItem(KEY, given);
      history.replaceState(null, '', location.pathname);
    }
    return sessionStorage.getItem(KEY) ?? '';
  }

  /** Asks the server; gives the answer or throws its line. */
  async function post(path, body) {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token()}` },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }

  /** Calls `on(event, data)` for each event, for ever; `on('lost', …)` while there is no connection. */
  async function listen(on) {
    for (;;) {
      try {
        const headers = { authorization: `Bearer ${token()}` };
        const response = await fetch('/stream', { headers, cache: 'no-store' });
        if (!response.ok) {
          const { error } = await response.json();
          on('refused', { error });
          if (response.status === 401) return;
          throw new Error(error);
        }
        await read(response.body, on);
        on('lost', { error: 'the dashboard has ended' });
      } catch (error) {
        on('lost', { error: error.message });
      }
      await new Promise((resolve) => setTimeout(resolve, LOST_MS));
    }
  }

  async function read(body, on) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).split('\n\n');
      rest = events.pop();
      for (const event of events) {
        const name = /^event: (.*)$/m.exec(event)?.[1] ?? 'message';
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) on(name, JSON.parse(data));
      }
    }
  }

  /** Two histories, the second asked for behind the first, as one. */
  function merge(before, later) {
    if (before === null || later.started !== before.started || later.rows.first !== before.next) return later;
    const old = before.rows.at.length;
    const drop = Math.max(0, old + later.rows.at.length - later.kept.rows);
    const join = (a, b) => [...(a ?? new Array(old).fill(0)).slice(drop), ...b];
    const columns = (a, b) =>
      Object.fromEntries(
        Object.entries(b).map(([key, value]) => [key, Array.isArray(value) ? join(a?.[key], value) : value]),
      );
    const things = (a, b, key) =>
      b.map((thing) =>
        columns(
          a.find((one) => key(one) === key(thing)),
          thing,
        ),
      );
    return {
      ...later,
      rows: {
        first: before.rows.first + drop,
        at: join(before.rows.at, later.rows.at),
        ms: join(before.rows.ms, later.rows.ms),
      },
      totals: columns(before.totals, later.totals),
      dropped: columns(before.dropped, later.dropped),
      workers: things(before.workers, later.workers, ({ id }) => id),
      ports: things(before.ports, later.ports, ({ name }) => name),
      queues: things(before.queues, later.queues, ({ port, id }) => `${port}/${id}`),
      guests: things(before.guests, later.guests, ({ mac }) => mac),
      events: [...before.events, ...later.events].slice(-256),
    };
  }

  window.rxsteer = { post, listen, merge };
})();
