/** A worker's reader or writer of a capture. Promise: see `PortAttacher`. */
import type { PortAttacher } from '../attacher.js';
import { stateOf } from '../state.js';
import type { CaptureData } from './data.js';
import { CaptureSource } from './source.js';
import { CaptureSender } from './writer.js';

export const attacher: PortAttacher<CaptureData> = {
  receiver: ({ pool, worker }, { data: { spool, state } }, queue, arrays) =>
    spool === null ? null : new CaptureSource(spool, pool, worker, arrays, stateOf(state, queue)),
  sender: ({ pool }, { data: { path } }) => new CaptureSender(path, pool.bytes),
};
