/**
 * `--metrics` and `--metrics-file` of `rxsteer forward`.
 *
 * Promise: an address that cannot be listened on, or a file that cannot be written, is known before a port is opened;
 * afterwards nothing that goes wrong with either ends the forwarder.
 */
import { dirname } from 'node:path';
import { Guard } from '../dataplane/engine/guarded.js';
import { UserError } from '../errors.js';
import { type ListenAddress, parseListen } from '../observe/listen.js';
import { MetricsFile } from '../observe/metrics-file.js';
import { listenForMetrics, type MetricsListener } from '../observe/metrics-listener.js';
import type { Recorder } from '../observe/recorder.js';
import { scrape } from '../observe/scrape.js';
import { checkOutput, checkWritable } from './outputs.js';
import { version } from './version.js';

/** What the command line asked for. */
export interface MetricsFlags {
  readonly listen: ListenAddress | null;
  readonly file: string | null;
}

/** @throws UserError */
export function metricsFlags(listen: string | undefined, file: string | undefined): MetricsFlags | null {
  if (listen === undefined && file === undefined) return null;
  if (file !== undefined && !file.endsWith('.prom')) {
    throw new UserError(`--metrics-file ${file}: node_exporter reads files that end in .prom`);
  }
  return { listen: listen === undefined ? null : parseListen('--metrics', listen), file: file ?? null };
}

/** Metrics that are shown to others, from before the ports are open to behind their end. */
export class ShownMetrics {
  private file: MetricsFile | null = null;
  private readonly guard: Guard;

  private constructor(
    private readonly flags: MetricsFlags,
    private readonly listener: MetricsListener | null,
    say: (line: string) => void,
  ) {
    this.guard = new Guard((line) => say(`rxsteer: warning: ${line}`));
  }

  /** Listens, and answers that it is not ready yet. @throws UserError */
  static async prepare(flags: MetricsFlags, say: (line: string) => void): Promise<ShownMetrics> {
    if (flags.file !== null) {
      checkOutput('--metrics-file', flags.file, []);
      // It is replaced, not written over.
      checkWritable(`--metrics-file ${flags.file}`, dirname(flags.file));
    }
    let shown: ShownMetrics | null = null;
    const failed = (error: Error) => shown?.tell('metrics', error);
    const listener = flags.listen === null ? null : await listenForMetrics(flags.listen, failed);
    shown = new ShownMetrics(flags, listener, say);
    return shown;
  }

  /** Folders that it goes on writing to. */
  get folders(): string[] {
    return this.flags.file === null ? [] : [dirname(this.flags.file)];
  }

  /** Where it listens; null = nowhere. */
  get url(): string | null {
    return this.listener?.url ?? null;
  }

  /** The engine runs. */
  begin(recorder: Recorder): void {
    const read = () => scrape(recorder, version());
    this.listener?.serve(read);
    const { file } = this.flags;
    if (file !== null) {
      this.file = new MetricsFile(file, read, (error) => this.tell(`--metrics-file ${file}`, error));
    }
  }

  private tell(what: string, error: Error | null): void {
    this.guard.run(what, () => {
      if (error !== null) throw error;
    });
  }

  /** The engine has stopped, or never started. */
  async close(): Promise<void> {
    await this.listener?.close();
    await this.file?.close();
  }
}
