/** A worker's side of a loopback port: rings in shared memory, an eventfd to sleep on. */
import { readSync } from 'node:fs';
import { ReceiveStatus, SendResult } from '#rxsteer/addon/native.js';
import { makeSendArrays } from '#rxsteer/dataplane/ports/port.js';
import { clearVnet } from '#rxsteer/packet/vnet.js';
import { HEAD, SIGNALLED, SLOT_BYTES, SLOTS, TAIL, viewRing } from './data.mjs';

class LoopbackReceiver {
  #drained = Buffer.alloc(8);
  constructor(lane, pool, worker, arrays) {
    this.descriptor = lane.event;
    Object.assign(this, viewRing(lane.ring), { pool, worker, arrays });
  }

  receive(max) {
    const { words, lengths, bytes, pool, arrays } = this;
    arrays.status.fill(0);
    this.#drain();
    let head = words[HEAD];
    const tail = Atomics.load(words, TAIL);
    let n = 0;
    for (; n < max && head !== tail; n++, head = (head + 1) | 0) {
      const slot = head & (SLOTS - 1);
      const id = pool.take(this.worker, lengths[slot]);
      if (id < 0) {
        arrays.status[ReceiveStatus.stopped] = 1;
        break;
      }
      const off = pool.offsetOf(id);
      clearVnet(pool.bytes, off);
      pool.bytes.set(bytes.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + lengths[slot]), off);
      arrays.id[n] = id;
      arrays.off[n] = off;
      arrays.len[n] = lengths[slot];
      arrays.flags[n] = 0;
    }
    Atomics.store(words, HEAD, head);
    return n;
  }

  /** A sender that has announced an event may not have made it yet. */
  #drain() {
    if (Atomics.exchange(this.words, SIGNALLED, 0) === 0) return;
    try {
      readSync(this.descriptor, this.#drained);
    } catch {
      Atomics.store(this.words, SIGNALLED, 1);
    }
  }

  finished() {
    return false;
  }

  dueInMs() {
    return Atomics.load(this.words, TAIL) === this.words[HEAD] ? Number.POSITIVE_INFINITY : 0;
  }

  close() {}
}

class LoopbackSender {
  arrays = makeSendArrays();
  offload = false;
  delivers = false;
  constructor(lane, queue, native, pool) {
    this.txQueue = queue;
    this.event = lane.event;
    Object.assign(this, viewRing(lane.ring), { native, pool });
  }

  send(from, to) {
    const { words, lengths, bytes, pool, arrays } = this;
    let tail = words[TAIL];
    let sent = 0;
    for (let i = from; i < to; i++) {
      if (((tail - Atomics.load(words, HEAD)) | 0) >= SLOTS) {
        arrays.result[i] = SendResult.full;
        continue;
      }
      if (arrays.len[i] > SLOT_BYTES) {
        arrays.result[i] = SendResult.tooLong;
        continue;
      }
      const slot = tail & (SLOTS - 1);
      bytes.set(pool.bytes.subarray(arrays.off[i], arrays.off[i] + arrays.len[i]), slot * SLOT_BYTES);
      lengths[slot] = arrays.len[i];
      arrays.result[i] = SendResult.sent;
      tail = (tail + 1) | 0;
      sent++;
    }
    Atomics.store(words, TAIL, tail);
    if (sent > 0 && Atomics.exchange(words, SIGNALLED, 1) === 0) this.native.wake(this.event);
    return sent;
  }

  close() {}
}

export const attacher = {
  receiver: ({ pool, worker }, { data }, queue, arrays) =>
    new LoopbackReceiver(data.receive[queue], pool, worker, arrays),

  /** All of them on the last queue: it is this kind that chooses. */
  sender({ native, pool }, { data, txQueues }) {
    if (Atomics.load(new Int32Array(data.words), 0) === 0) return null;
    return new LoopbackSender(data.send[txQueues - 1], txQueues - 1, native, pool);
  },
};
