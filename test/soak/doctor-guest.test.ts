/**
 * The doctor on a host that is set wrong, and its cure: an emulated machine with a multi-queue virtio card (with RSS, where
 * QEMU has it) behind a bridge with a nested machine's TAP. It is examined, the printed script is run, it is examined again;
 * then the script's undo, and once more. During the first look frames arrive for the nested machine, which is stopped.
 *
 * The oracle is the kernel of that machine: what it shows in its files before and after. Collections of both states are
 * kept in test/host/fixtures when DOCTOR_KEEP is set; the daily tests read them there.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { emulatorMissing } from '../../bench/lab/guest-image.js';
import { startForwarder } from '../support/forwarder.js';
import { GUEST_REPOSITORY, kernelWith, runInGuest } from '../support/guest.js';
import { onPath, privileged, withLab } from '../support/lab.js';

const MODULES = [
  'net/llc/llc',
  'net/802/stp',
  'net/bridge/bridge',
  'drivers/net/tun',
  'drivers/net/tap',
  'drivers/vhost/vhost_iotlb',
  'drivers/vhost/vhost',
  'drivers/vhost/vhost_net',
];
const PATIENCE_MS = 25 * 60_000;
const kernel = kernelWith(MODULES);
const missing = [
  ...emulatorMissing(),
  ...(kernel === undefined ? ['a kernel (RXSTEER_GUEST_ROOT)'] : []),
  ...(onPath('ethtool') === undefined ? ['ethtool'] : []),
];
if (missing.length > 0)
  process.stderr.write(`the doctor in a guest is skipped: missing ${missing.join(', ')}\n`);

const QEMU_TCG = '/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so';
const doctor = `node ${GUEST_REPOSITORY}/dist/cli/main.js doctor`;
const ip = '/usr/local/bin/ip';
/** Files that the wrong settings and their cure are about. */
const STATE = `for f in /sys/class/net/eth0/queues/*/*ps_cpus /proc/sys/net/core/rps_sock_flow_entries \
/proc/irq/*/smp_affinity_list; do echo "$f $(cat $f 2>/dev/null)"; done`;

const script = `
echo 0 > /proc/sys/kernel/printk
rxsteer() { node ${GUEST_REPOSITORY}/dist/cli/main.js "$@" 2>&1; }
${ip} link add br0 type bridge
ethtool -L eth0 combined 4
${ip} link set eth0 master br0 up
${ip} link set br0 up
/usr/bin/qemu-system-x86_64 -name guest=inner -S -accel tcg -m 16 -smp 2 -nodefaults -display none -L /usr/share \
  -netdev tap,id=n,ifname=vnet0,script=no,downscript=no,vhost=off -device virtio-net-pci,netdev=n,romfile= >/tmp/inner 2>&1 &
n=0; until [ -e /sys/class/net/vnet0 ] || [ $((n += 1)) -gt 120 ]; do sleep 1; done
cat /tmp/inner
${ip} link set vnet0 master br0 up
echo @ table; ethtool -x eth0; ethtool -l eth0
for q in /sys/class/net/eth0/queues/rx-*; do echo f > $q/rps_cpus; done
for q in /sys/class/net/eth0/queues/tx-*; do echo 1 > $q/xps_cpus; done
echo 32768 > /proc/sys/net/core/rps_sock_flow_entries
for i in $(grep -E 'virtio0-(input|output)' /proc/interrupts | cut -d: -f1); do echo 0 > /proc/irq/$i/smp_affinity_list; done
echo @ wrong state; ${STATE}
${doctor} --sample 3 --fail-on I --json --fix-script /tmp/fix.sh --collect /tmp/wrong.tar.gz >/tmp/wrong.json 2>/tmp/log
echo @ wrong code; echo $?
echo @ wrong; cat /tmp/wrong.json
echo @ script; cat /tmp/fix.sh
echo @ apply; sh /tmp/fix.sh; echo $?
echo @ cured state; ${STATE}
${doctor} --sample 1 --fail-on I --json --fix-script /tmp/fix2.sh --collect /tmp/between.tar.gz >/tmp/between.json 2>>/tmp/log
echo @ between; cat /tmp/between.json
echo @ apply again; sh /tmp/fix2.sh; echo $?
${doctor} --sample 1 --fail-on I --json --collect /tmp/cured.tar.gz >/tmp/cured.json 2>>/tmp/log
echo @ cured; cat /tmp/cured.json
echo @ undo; sh /tmp/fix2.sh undo && sh /tmp/fix.sh undo; echo $?
echo @ undone state; ${STATE}
echo @ compile; rxsteer compile --policy rss:queues=4,weight=3+1+1+1,key=random,seed=5 --to ethtool --dev eth0 --apply --yes --json
echo @ compiled table; ethtool -x eth0
echo @ check; rxsteer compile --policy rss:queues=4,weight=3+1+1+1,key=random,seed=5 --to ethtool --dev eth0 --check 300 --json
echo @ explain; rxsteer explain --policy host:eth0 --flow 'tcp 66.9.149.187:2794 > 161.142.100.80:1766' --json
echo @ wrong archive; base64 /tmp/wrong.tar.gz
echo @ cured archive; base64 /tmp/cured.tar.gz
echo @ log; cat /tmp/log
echo @ end`;

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly subject: string;
  readonly fix: readonly string[];
}
interface Report {
  readonly role: { readonly name: string } | string;
  readonly findings: readonly Finding[];
}

function steps(shown: string): Map<string, string> {
  const parts = shown.split(/^@ (.*)\n/m);
  return new Map(parts.flatMap((part, i) => (i % 2 === 1 ? [[part, parts[i + 1]!]] : [])));
}

/** What `ethtool -x` prints. */
function printed(text: string): { entries: number[]; weights: number[]; key: string } {
  const entries = [...text.matchAll(/^ *\d+: +((?:\d+ *)+)$/gm)].flatMap(([, row]) =>
    row!.trim().split(/ +/).map(Number),
  );
  const weights: number[] = [];
  for (const queue of entries) weights[queue] = (weights[queue] ?? 0) + 1;
  return { entries, weights, key: /^([0-9a-f]{2}(?::[0-9a-f]{2})+)$/m.exec(text)![1]! };
}

describe.skipIf(!privileged() || missing.length > 0)('a machine that is set wrong', () => {
  it(
    'is examined, cured by the printed script, and examined again',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'rxsteer-doctor-'));
      try {
        await withLab(async (lab) => {
          const ns = await lab.namespace();
          const shown = await runInGuest(lab, ns, folder, kernel!, script, PATIENCE_MS, {
            options: [
              ...['-smp', '4', '-netdev', 'tap,id=n,ifname=t0,script=no,downscript=no,vhost=off,queues=4'],
              ...['-device', 'virtio-net-pci,netdev=n,mac=02:00:00:00:00:10,mq=on,vectors=10,rss=on,hash=on'],
            ],
            // While it is examined for the first time, frames for the nested machine arrive, which takes none.
            meanwhile: async () => {
              const at = (step: string) =>
                expect
                  .poll(() => readFileSync(join(folder, 'console'), 'utf8').includes(`@ ${step}`), {
                    timeout: PATIENCE_MS,
                    interval: 200,
                  })
                  .toBe(true);
              await at('wrong state');
              await lab.up(ns, 't0');
              const traffic = await startForwarder(
                lab,
                ns,
                ...['--port', 'a=memory:source,rate=4000,flows=200,guests=1', '--port', 'b=af_packet:t0'],
              );
              await at('script');
              await traffic.stop();
            },
            prepare: (root) => {
              root.program(onPath('ethtool')!);
              // It looks for its modules beside its folder.
              root.program(onPath('qemu-system-x86_64')!, '/usr/bin/qemu-system-x86_64');
              for (const file of ['seabios/bios-256k.bin', 'qemu/kvmvapic.bin', 'qemu/linuxboot_dma.bin'])
                root.file(`/usr/share/${file}`, `/usr/share/${file.split('/')[1]}`);
              root.program(QEMU_TCG, QEMU_TCG);
            },
          });
          if (process.env.DOCTOR_SHOW !== undefined) writeFileSync(process.env.DOCTOR_SHOW, shown);
          const by = steps(shown);
          expect(by.has('end'), shown).toBe(true);
          const report = (name: string) => JSON.parse(by.get(name)!) as Report;
          const ids = (name: string) => new Set(report(name).findings.map(({ id }) => id));
          const wrong = [...ids('wrong')];
          // The nested machine's tap drops: that is what brings somebody to the doctor.
          expect(report('wrong').findings.find(({ id }) => id === 'vm-flow-steering')?.severity).toBe('E');
          expect(wrong).toEqual(expect.arrayContaining(['irq-pileup', 'xps-hole', 'rfs-half']));
          for (const step of ['apply', 'apply again', 'undo']) {
            expect(by.get(step)!.trim().split('\n').at(-1), step).toBe('0');
          }
          // With the interrupts on their CPUs RSS spreads the flows, and RPS is one time too many: the second look says so.
          const between = [...ids('between')];
          for (const id of ['irq-pileup', 'xps-hole', 'rfs-half']) expect(between).not.toContain(id);
          // What is left is no command: a guest that must start anew.
          const left = report('cured').findings.flatMap(({ fix }) =>
            fix.filter((line) => !line.startsWith('#')),
          );
          expect(left).toEqual([]);
          expect(by.get('cured state')).not.toBe(by.get('wrong state'));
          expect(by.get('undone state')).toBe(by.get('wrong state'));

          // A real table: what `ethtool` prints afterwards is what was compiled, and what the device is read to do.
          const { weights, key } = printed(by.get('compiled table')!);
          const { commands } = JSON.parse(by.get('compile')!) as { commands: string[] };
          expect(commands).toContain(`ethtool -X eth0 weight ${weights.join(' ')}`);
          expect(commands).toContain(`ethtool -X eth0 hkey ${key}`);
          expect(JSON.parse(by.get('check')!).check).toMatchObject({ packets: 300, agree: 300 });
          const { hash, bucket, queue } = JSON.parse(by.get('explain')!);
          expect(hash.key).toBe(key.replaceAll(':', ''));
          expect(queue).toBe(printed(by.get('compiled table')!).entries[bucket]);
          if (process.env.DOCTOR_KEEP === undefined) return;
          for (const name of ['wrong', 'cured']) {
            const at = fileURLToPath(new URL(`../host/fixtures/guest-${name}.tar.gz`, import.meta.url));
            writeFileSync(at, Buffer.from(by.get(`${name} archive`)!, 'base64'));
          }
        });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    PATIENCE_MS + 60_000,
  );
});
