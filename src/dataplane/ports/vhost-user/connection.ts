/**
 * One connection of a front-end: takes its messages from the socket, one at a time and whole, and sends the replies.
 *
 * Promise: never waits. A front-end that stops in the middle of a message keeps nobody waiting, one that sends messages
 * without end is read from in turns. Every descriptor that comes is closed, whatever becomes of its message. It ends
 * (`ended`) once: the peer closed, or did what cannot be. Main thread only.
 */
import type { Native } from '../../../addon/native.js';
import { HEADER_BYTES, type Message, PAYLOAD_MAX, ProtocolError, readHeader, replyTo } from './protocol.js';
import type { Session } from './session.js';
import { forget, listen } from './socket-events.js';

/** Messages that are read at a time, before others have their turn. */
const MESSAGES_MAX = 64;
/** Descriptors that one message may gather: more than any message has. */
const DESCRIPTORS_MAX = 16;

export class Connection {
  private readonly buffer = new Uint8Array(HEADER_BYTES + PAYLOAD_MAX);
  private readonly view = new DataView(this.buffer.buffer);
  private have = 0;
  private fds: number[] = [];
  private isOpen = true;

  /** @param changed a message was handled; @param ended it is over: why, or null where the peer closed */
  constructor(
    private readonly native: Native,
    private readonly fd: number,
    private readonly session: Session,
    private readonly changed: () => void,
    private readonly ended: (why: string | null) => void,
  ) {}

  /** Begins to listen. */
  begin(): void {
    listen(this.native, this.fd, () => this.read());
  }

  private read(): void {
    try {
      let handled = 0;
      while (this.isOpen && handled < MESSAGES_MAX) {
        const need = this.need();
        const { length, fds } = this.native.receiveUnix(this.fd, this.buffer.subarray(this.have, need));
        this.fds.push(...fds);
        if (length < 0) break;
        if (length === 0) {
          this.end(null);
          return;
        }
        if (this.fds.length > DESCRIPTORS_MAX) throw new ProtocolError('a message with too many descriptors');
        this.have += length;
        if (this.have < HEADER_BYTES || this.have < this.need()) continue;
        this.handle();
        handled++;
      }
    } catch (error) {
      this.end((error as Error).message);
    }
  }

  /** Bytes of the message that is under way, as far as they are known. */
  private need(): number {
    return this.have < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + readHeader(this.view).length;
  }

  private handle(): void {
    const { request, flags, length } = readHeader(this.view);
    const payload = new DataView(this.buffer.buffer, HEADER_BYTES, length);
    const message: Message = { request, flags, payload, fds: this.fds };
    this.have = 0;
    let reply: Uint8Array | null;
    try {
      reply = this.session.handle(message);
    } finally {
      this.closeDescriptors();
    }
    // Before the answer: what the front-end does then must find it done.
    this.changed();
    if (reply === null || this.native.sendUnix(this.fd, replyTo(request, reply))) return;
    throw new ProtocolError('replies that it does not take');
  }

  private closeDescriptors(): void {
    for (const fd of this.fds.splice(0)) this.native.closeDescriptor(fd);
  }

  private end(why: string | null): void {
    if (!this.isOpen) return;
    this.close();
    this.ended(why);
  }

  /** Ends it, without `ended`. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    forget(this.fd);
    this.closeDescriptors();
    this.native.closeDescriptor(this.fd);
  }
}
