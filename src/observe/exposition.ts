/**
 * The text format of Prometheus (version 0.0.4): families of samples.
 *
 * Promise: pure; names and help come from the program, label values may be anything; a family without samples is left
 * out. Numbers are written in full.
 */

export type MetricType = 'counter' | 'gauge';
/** Label values by name; null leaves a label out. */
export type Labels = Readonly<Record<string, string | number | null>>;
/** Labels and value; null leaves the sample out. */
export type Sample = readonly [labels: Labels, value: number | null];

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };

function labelText(labels: Labels): string {
  const parts: string[] = [];
  for (const name in labels) {
    const value = labels[name];
    if (value === null || value === undefined) continue;
    const text = typeof value === 'number' ? String(value) : value.replace(/[\\"\n]/g, (c) => ESCAPES[c]!);
    parts.push(`${name}="${text}"`);
  }
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

/** A page of metrics, built family by family. */
export class Exposition {
  private readonly lines: string[] = [];

  /** A family. The samples of counters must be those since the start. */
  family(name: string, type: MetricType, help: string, samples: Iterable<Sample>): void {
    const from = this.lines.length;
    for (const [labels, value] of samples) {
      if (value !== null) this.lines.push(`${name}${labelText(labels)} ${value}`);
    }
    if (this.lines.length > from)
      this.lines.splice(from, 0, `# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  counter(name: string, help: string, samples: Iterable<Sample>): void {
    this.family(name, 'counter', help, samples);
  }

  gauge(name: string, help: string, samples: Iterable<Sample>): void {
    this.family(name, 'gauge', help, samples);
  }

  /** One sample without labels. */
  single(name: string, type: MetricType, help: string, value: number | null): void {
    this.family(name, type, help, [[{}, value]]);
  }

  toString(): string {
    return `${this.lines.join('\n')}\n`;
  }
}
