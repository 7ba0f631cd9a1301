/** Interrupts of commands that read: what was read is reported; only a second interrupt throws it away. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ReplayResult } from '#rxsteer/replay/result.js';
import * as files from '../capture/files.js';
import { mixedPackets } from '../replay/traffic.js';
import { CLI } from '../support/forwarder.js';

const records = mixedPackets(4000, 60).map(({ frame }, i) => ({ data: frame, seconds: 7, fraction: i }));
const bytes = files.pcap(records);
const interrupt = new URL(import.meta.resolve('#rxsteer/cli/interrupt.js')).href;

function start(args: readonly string[]) {
  const child = spawn(process.execPath, args, { stdio: 'pipe' });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  return { child, output };
}

describe('an interrupt', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'lets replay report what it has read of a pipe that stays open: %s',
    async (signal) => {
      const { child, output } = start([CLI, 'replay', '-', '--policy', 'rss:queues=2', '--json']);
      // More than fits into a pipe: when it is all written, it is being read, and the signal is watched for.
      await new Promise<void>((resolve, reject) => {
        child.stdin.on('error', reject);
        child.stdin.write(bytes, () => resolve());
      });
      child.kill(signal);
      expect(await once(child, 'close')).toEqual([0, null]);
      const { capture, policies } = JSON.parse(output.stdout) as ReplayResult;
      expect(capture.packets).toBeGreaterThan(0);
      expect(capture.interrupted).toBe(true);
      expect(capture.warnings).toEqual([expect.stringMatching(/^interrupted after \d+ packets: /)]);
      expect(policies[0]!.queues.reduce((sum, { packets }) => sum + packets, 0)).toBe(capture.packets);
      expect(output.stderr).toMatch(/^rxsteer: interrupted: ends with what was read/);
    },
  );

  it('ends a forwarder that is still opening its ports: nothing failed, and there is nothing to sum up', async () => {
    const ports = ['--port', 'a=pcap:-', '--port', 'b=memory:sink', '--no-control'];
    const { child, output } = start([CLI, 'forward', ...ports, '--json']);
    // Nothing comes, so it waits. Node itself watches for SIGINT, but not for the last one of the forwarder's signals.
    const caught = () =>
      /^SigCgt:.*([0-9a-f])$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? '0';
    await vi.waitUntil(() => (Number.parseInt(caught(), 16) & 1) !== 0, { timeout: 60_000, interval: 5 });
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(output).toEqual({
      stdout: '{"error":"interrupted while its ports were being opened","code":"RXS_INTERRUPTED"}\n',
      stderr: 'rxsteer: interrupted while its ports were being opened\n',
    });
  });

  it('reads what the writer of the pipe has left to say', async () => {
    const { child, output } = start([CLI, 'replay', '-', '--policy', 'rss:queues=2', '--json']);
    const rest = 2000;
    await new Promise<void>((resolve) => {
      child.stdin.write(bytes.subarray(0, bytes.length - rest), () => resolve());
    });
    // As tcpdump does, which gets the same interrupt.
    child.kill('SIGINT');
    child.stdin.end(bytes.subarray(bytes.length - rest));
    expect(await once(child, 'close')).toEqual([0, null]);
    expect((JSON.parse(output.stdout) as ReplayResult).capture.packets).toBe(records.length);
  });

  it('ends the process at once with 130 when it is the second', async () => {
    const code = `
      const { Interrupt } = await import(${JSON.stringify(interrupt)});
      const { signal } = new Interrupt(() => console.log('first'));
      setInterval(() => {}, 1000);
      console.log('ready', signal.aborted);`;
    const { child, output } = start(['--input-type=module', '-e', code]);
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(output.stdout).toBe('ready false\nfirst\n');
  });
});
