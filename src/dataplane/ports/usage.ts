/**
 * The kinds of ports as text: for `--help`, and the tables of docs/forwarding.md.
 *
 * Promise: made from the list of kinds alone. Lines of help are no wider than 80 columns.
 */
import type { PortForm, PortKind } from './kind.js';
import { portKinds } from './kinds.js';
import { defaultText, type PortOption, valueText } from './options.js';
import { CONSUMER_OPTIONS } from './port-spec.js';

const COLUMNS = 80;

/** Every way of writing a port, `KIND:TARGET`, with its kind. */
export function portForms(): readonly { kind: PortKind; form: PortForm; text: string }[] {
  return portKinds().flatMap((kind) =>
    kind.forms.map((form) => ({ kind, form, text: `${kind.name}:${form.target}` })),
  );
}

/** A line for each form with its usual options, as `--help` shows them. */
export function portUsage(): string {
  const forms = portForms();
  const width = Math.max(...forms.map(({ text }) => text.length)) + 3;
  return forms
    .map(({ form, text }) => {
      const usual = Object.entries(form.options).filter(([, option]) => option.rare !== true);
      const options = usual.map(([name, option]) => `${name}=${valueText(option)}`);
      const [first, ...rest] = options;
      const head = first === undefined ? form.does : `${form.does}: ${first}`;
      return wrap(`  ${text.padEnd(width)}`, [head, ...rest]);
    })
    .join('\n');
}

/** Parts after a head, divided by commas; lines that follow are as far in as the first part. */
function wrap(head: string, parts: readonly string[]): string {
  const lines = [head];
  parts.forEach((part, i) => {
    const piece = i < parts.length - 1 ? `${part},` : part;
    const line = lines.at(-1)!;
    const space = line.length === head.length ? '' : ' ';
    if (line.length + space.length + piece.length <= COLUMNS) lines[lines.length - 1] = line + space + piece;
    else lines.push(' '.repeat(head.length) + piece);
  });
  return lines.join('\n');
}

/** Options of a form as a table of Markdown: what may be written, the default, what it does. */
function optionRows(options: Readonly<Record<string, PortOption>>): string[] {
  return Object.entries(options).map(([name, option]) => {
    const value = valueText(option).replaceAll('|', '\\|');
    const range = option.type === 'number' ? ` (${option.least} to ${option.most})` : '';
    return `| \`${name}=${value}\`${range} | ${defaultText(option) ?? ''} | ${option.does} |`;
  });
}

const HEAD = ['| option | default | |', '| --- | --- | --- |'];

/** All options of all kinds in Markdown, for docs/forwarding.md. */
export function portTables(): string {
  const forms = portForms().map(({ form, text }) => {
    return [`**\`${text}\`**: ${form.does}`, '', ...HEAD, ...optionRows(form.options), ''];
  });
  const every = ['**Every port that frames are sent to**:', '', ...HEAD, ...optionRows(CONSUMER_OPTIONS)];
  return [...forms.flat(), ...every].join('\n');
}
