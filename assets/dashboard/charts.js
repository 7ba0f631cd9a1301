/** The two pictures: a heat map and lines, both over the last ten minutes, with marks where something was changed. */
(() => {
  const LEFT = 74;
  const FOOT = 20;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** Three digits and a prefix. */
  function short(value) {
    const steps = ['', ' k', ' M', ' G', ' T'];
    let step = 0;
    let scaled = value;
    while (Math.abs(scaled) >= 999.5 && step < steps.length - 1) {
      scaled /= 1000;
      step++;
    }
    if (step === 0) return String(Math.round(scaled));
    return scaled.toPrecision(3) + steps[step];
  }

  /** Prepares a canvas for its size and the screen's resolution. */
  function begin(canvas, height) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    canvas.style.setProperty('height', `${height}px`);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = '12px system-ui, sans-serif';
    return { context, width };
  }

  /**
   * When each row ended, from the last one backwards by how long each took: a clock that was set meanwhile leaves neither
   * gap nor overlap.
   */
  function ends({ rows: { at, ms } }) {
    const times = new Array(at.length);
    let time = at.at(-1) ?? Date.now();
    for (let i = at.length - 1; i >= 0; i--) {
      times[i] = time;
      time -= ms[i];
    }
    return times;
  }

  /** The time axis: ten minutes, whether there are as many or not. */
  function axis({ context, width }, height, history) {
    const { at, ms } = history.rows;
    const end = at.at(-1) ?? Date.now();
    const all = ms.reduce((sum, one) => sum + one, 0);
    const span = Math.max(60_000, Math.min(600_000, all));
    const x = (time) => LEFT + ((time - (end - span)) / span) * (width - LEFT);
    context.fillStyle = colour('--quiet');
    context.textBaseline = 'middle';
    const minutes = Math.max(1, Math.round(span / 60_000));
    const every = minutes > 5 && width < 600 ? 2 : 1;
    for (let ago = 0; ago <= minutes; ago += every) {
      const place = x(end - ago * 60_000);
      if (place < LEFT - 1) continue;
      context.textAlign = ago === 0 ? 'right' : place < LEFT + 30 ? 'left' : 'center';
      context.fillText(ago === 0 ? 'now' : `-${ago} min`, place, height - FOOT / 2);
    }
    return x;
  }

  /** Marks of events, numbered as in the list. */
  function marks({ context, width }, height, history, x) {
    context.strokeStyle = colour('--bad');
    context.fillStyle = colour('--bad');
    context.setLineDash([4, 3]);
    context.textAlign = 'left';
    for (const { id, at } of history.events) {
      const place = x(at);
      if (place < LEFT || place > width) continue;
      context.beginPath();
      context.moveTo(place, 0);
      context.lineTo(place, height - FOOT);
      context.stroke();
      context.fillText(String(id + 1), place + 3, 8);
    }
    context.setLineDash([]);
  }

  /** Rows of figures as colours: the more, the fuller. */
  function heat(canvas, history, rows, most) {
    const high = Math.max(9, Math.min(36, 260 / Math.max(1, rows.length)));
    const height = Math.max(40, rows.length * high) + FOOT;
    const drawn = begin(canvas, height);
    const { context } = drawn;
    const x = axis(drawn, height, history);
    const { ms } = history.rows;
    const at = ends(history);
    const every = Math.ceil(12 / high);
    rows.forEach(({ name, values }, r) => {
      context.fillStyle = colour('--ink');
      context.textAlign = 'right';
      if (r % every === 0)
        context.fillText(name.length > 10 ? `…${name.slice(-9)}` : name, LEFT - 6, r * high + high / 2);
      context.fillStyle = colour('--heat');
      values.forEach((value, i) => {
        if (value <= 0) return;
        const from = Math.max(LEFT, x(at[i] - ms[i]));
        context.globalAlpha = 0.08 + 0.92 * Math.min(1, value / Math.max(most, 1e-9));
        context.fillRect(from, r * high, Math.max(0, x(at[i]) - from + 0.4), high - 1);
      });
      context.globalAlpha = 1;
    });
    marks(drawn, height, history, x);
  }

  /** Lines on one scale. */
  function lines(canvas, history, all) {
    const height = 220;
    const drawn = begin(canvas, height);
    const { context, width } = drawn;
    const x = axis(drawn, height, history);
    const at = ends(history);
    const most = Math.max(1, ...all.flatMap(({ values }) => values));
    const y = (value) => 8 + (1 - value / most) * (height - FOOT - 10);
    context.strokeStyle = colour('--line');
    context.fillStyle = colour('--quiet');
    context.textAlign = 'right';
    for (const part of [0, 0.5, 1]) {
      context.beginPath();
      context.moveTo(LEFT, y(part * most));
      context.lineTo(width, y(part * most));
      context.stroke();
      context.fillText(`${short(part * most)}/s`, LEFT - 6, Math.max(8, y(part * most)));
    }
    all.forEach(({ values, paint, dash }) => {
      context.strokeStyle = colour(paint);
      context.lineWidth = 1.6;
      context.setLineDash(dash);
      context.beginPath();
      values.forEach((value, i) => {
        const place = x(at[i]);
        if (place >= LEFT) context.lineTo(place, y(value));
      });
      context.stroke();
    });
    context.setLineDash([]);
    context.lineWidth = 1;
    marks(drawn, height, history, x);
  }

  Object.assign(window.rxsteer, { heat, lines, short });
})();
