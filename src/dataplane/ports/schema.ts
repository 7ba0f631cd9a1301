/**
 * The text form of a port as a JSON Schema.
 *
 * Promise: made from the list of kinds; every text that `parsePort` takes is valid under it. The other way round a text
 * may still be refused, since a pattern knows no bounds of numbers, no option given twice, and nothing outside the text.
 */
import { isPlaceholder, type PortForm } from './kind.js';
import type { PortOption } from './options.js';
import { CONSUMER_OPTIONS, SOURCE_OPTIONS } from './port-spec.js';
import { portForms } from './usage.js';

/** A JSON Schema (2020-12). */
export interface PortSchema {
  readonly type: 'string';
  readonly title: string;
  readonly description: string;
  readonly anyOf: readonly {
    readonly title: string;
    readonly description: string;
    readonly pattern: string;
  }[];
  readonly examples: readonly string[];
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function valuePattern(option: PortOption): string {
  if (option.type === 'switch') return '(?:on|off)';
  const words = option.type === 'choice' ? option.values : Object.keys(option.words ?? {});
  const numbers = option.type === 'number' ? ['[0-9]+'] : [];
  return `(?:${[...numbers, ...words.map(escaped)].join('|')})`;
}

function formPattern(kind: string, form: PortForm): string {
  const target = isPlaceholder(form) ? '[^,]+' : escaped(form.target);
  const options = [
    ...Object.entries({ ...CONSUMER_OPTIONS, ...form.options }).map(
      ([name, option]) => `${escaped(name)}=${valuePattern(option)}`,
    ),
    ...SOURCE_OPTIONS.map((name) => `${name}=[^,]+`),
  ];
  return `^[^=:,]+=${escaped(kind)}:${target}(?:,(?:${options.join('|')}))*,?$`;
}

/** The schema of one port's text. */
export function portSchema(): PortSchema {
  const forms = portForms();
  return {
    type: 'string',
    title: 'NAME=KIND:TARGET[,option=value…]',
    description: `A port: ${forms.map(({ text }) => text).join(', ')}`,
    anyOf: forms.map(({ kind, form, text }) => ({
      title: text,
      description: form.does,
      pattern: formPattern(kind.name, form),
    })),
    examples: forms.map(({ text }) => `a=${text.replace('IFACE', 'eth0').replace('FILE', 'in.pcap')}`),
  };
}
