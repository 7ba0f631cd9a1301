/**
 * Shapes of JSON that somebody else may have written, as functions: whether a value has one.
 *
 * Promise: pure, and no more than this: a library of schemas takes 15 MB, a quarter of what the doctor may have. A shape of
 * an object says nothing of fields that it does not name.
 */
import { COUNT_MAX } from '../fact.js';
export type Shape = (value: unknown) => boolean;

export const text: Shape = (value) => typeof value === 'string';
export const flag: Shape = (value) => typeof value === 'boolean';
export const number: Shape = (value) => typeof value === 'number' && Number.isFinite(value);
/** A whole number from 0 on. */
export const whole: Shape = (value) => Number.isSafeInteger(value) && (value as number) >= 0;

/** How many of something a device has, or which of them. */
export const count: Shape = (value) => whole(value) && (value as number) <= COUNT_MAX;
/** An even number of hexadecimal digits. */
export const hex: Shape = (value) => typeof value === 'string' && /^([0-9a-f]{2})*$/i.test(value);

export const oneOf =
  (...values: readonly unknown[]): Shape =>
  (value) =>
    values.includes(value);
export const orNull =
  (shape: Shape): Shape =>
  (value) =>
    value === null || shape(value);
export const either =
  (a: Shape, b: Shape): Shape =>
  (value) =>
    a(value) || b(value);
/** More than the queues and counters of all devices of a host. */
const LIST_MAX = 1 << 20;

export const list =
  (shape: Shape): Shape =>
  (value) =>
    Array.isArray(value) && value.length <= LIST_MAX && value.every(shape);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object with at least these fields. */
export const fields =
  (shapes: Readonly<Record<string, Shape>>): Shape =>
  (value) =>
    isObject(value) && Object.entries(shapes).every(([name, shape]) => shape(value[name]));
/** An object whose every field has the shape, whatever its name. */
export const each =
  (shape: Shape): Shape =>
  (value) =>
    isObject(value) && Object.values(value).every(shape);
