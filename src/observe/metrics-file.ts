/**
 * The metrics in a file, for the textfile collector of Prometheus' node_exporter.
 *
 * Promise: a reader finds a whole file at any time: it is written beside its name, which node_exporter does not read, and
 * renamed. It is readable for everybody, whatever the umask. Where somebody else may write to the folder, no file of theirs
 * is written through or kept. The main thread does not wait for the disk, but for the last one, which has the
 * final counts. A file that cannot be written is one warning, and is tried again. Main thread.
 */
import { closeSync, fchmodSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';

/** node_exporter is scraped every 15 s or more rarely. */
const EVERY_MS = 10_000;
const MODE = 0o644;

export class MetricsFile {
  private readonly timer: NodeJS.Timeout;
  private readonly beside: string;
  private writing: Promise<void> | null = null;

  /**
   * Writes at once, and from then on.
   * @param failed gets what went wrong with a write; the guard that tells it again only when it changed is the caller's
   */
  constructor(
    private readonly path: string,
    private readonly read: () => string,
    private readonly failed: (error: Error | null) => void,
    everyMs = EVERY_MS,
  ) {
    this.beside = `${path}.${process.pid}.tmp`;
    this.timer = setInterval(() => this.write(), everyMs).unref();
    this.write();
  }

  private write(): void {
    // A disk that hangs gets no second one behind it.
    this.writing ??= this.replace().finally(() => {
      this.writing = null;
    });
  }

  private async replace(): Promise<void> {
    try {
      await rm(this.beside, { force: true });
      // Exclusive: a link that was put there meanwhile is not followed.
      const file = await open(this.beside, 'wx', MODE);
      try {
        await file.chmod(MODE);
        await file.writeFile(this.read());
      } finally {
        await file.close();
      }
      await rename(this.beside, this.path);
      this.failed(null);
    } catch (error) {
      await rm(this.beside, { force: true }).catch(() => {});
      this.failed(error as Error);
    }
  }

  /** The last one, with what is true at the end. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.writing;
    try {
      rmSync(this.beside, { force: true });
      const file = openSync(this.beside, 'wx', MODE);
      try {
        fchmodSync(file, MODE);
        writeFileSync(file, this.read());
      } finally {
        closeSync(file);
      }
      renameSync(this.beside, this.path);
    } catch (error) {
      rmSync(this.beside, { force: true });
      this.failed(error as Error);
    }
  }
}
