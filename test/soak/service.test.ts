/**
 * The service of the Debian package under a real systemd: in a virtual machine that boots Debian it is installed, started,
 * reloaded, killed, stuck, stopped and purged, while frames go through it.
 *
 * Needs a package (`npm run deb`) and its Node as a package (RXSTEER_NODE_DEB), a tree that debootstrap made
 * (RXSTEER_DEBIAN_ROOT) and a kernel (RXSTEER_GUEST_ROOT).
 */
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../package/lock.js';
import { DebianTree, debianMissing } from '../support/debian-guest.js';

const build = join(ROOT, 'build');
const name = existsSync(build)
  ? readdirSync(build).find((file) => /^rxsteer_.*_amd64\.deb$/.test(file))
  : undefined;
const node = process.env.RXSTEER_NODE_DEB ?? '';
const missing =
  debianMissing() ||
  (name === undefined ? 'no package: npm run deb' : '') ||
  (existsSync(node) ? '' : 'RXSTEER_NODE_DEB names no package of nodejs');
if (missing !== '') process.stderr.write(`the service is not tried under systemd: ${missing}\n`);

const SOCKET = '/run/rxsteer-service/service.sock';
// Emulated, a warm-up takes longer than workers are waited for.
const configuration = (policy: string) => `ports: ['a=af_packet:a0', 'b=af_packet:b0']
policy: ${policy}
workers: 2
warmUp: false
`;
/** Emulated, a command of Node takes half a minute. */
const PATIENT = '[Service]\nTimeoutStartSec=900\nTimeoutStopSec=300\n';

/** Says `KEY: value` for each step. */
const SCRIPT = `
say() { echo "SAID $*"; }
show() { systemctl show rxsteer -p "$1" --value; }
main() { show MainPID; }
until_active() { for n in $(seq 600); do [ "$(show ActiveState)/$(show SubState)" = active/running ] && [ "$(main)" != "$1" ] && return; sleep 1; done; }
pings() { ip netns exec left ping -c 20 -i 0.05 -W 5 192.0.2.2 | grep -o '[0-9]* received'; }
for end in a b; do
  side=$([ $end = a ] && echo left || echo right)
  ip netns add $side
  ip link add \${end}0 type veth peer name e0 netns $side
  ip link set \${end}0 up
  ip -n $side addr add 192.0.2.$([ $end = a ] && echo 1 || echo 2)/24 dev e0
  ip -n $side link set e0 up
done
systemctl start rxsteer; say start: $?
[ "$(show ActiveState)" = active ] || { journalctl -u rxsteer -o cat | tail -n 30; echo DRIVEN; systemctl poweroff --force --force; }
say state: $(show ActiveState) $(show Type) "$(show StatusText)"
pid=$(main)
say user: $(stat -c %U /proc/$pid) $(grep CapEff /proc/$pid/status)
say pings: $(pings)
sed -i 's/policy: .*/policy: single/' /etc/rxsteer/forward.yaml
systemctl reload rxsteer; say reload: $?
say reloaded: $(for n in $(seq 60); do rxsteer ctl status --socket ${SOCKET} --json | grep -o '"policy": "single"' && break; sleep 1; done) same $([ "$(main)" = $pid ] && echo yes)
systemctl kill --kill-whom=main -s KILL rxsteer
until_active $pid
say restarted: $(show NRestarts) $(show ActiveState)
say pings again: $(pings)
# Stuck: systemd waits for the watchdog, kills it and starts another one.
pid=$(main); kill -STOP $pid
until_active $pid
say watchdog: $(show NRestarts) $(journalctl -u rxsteer -o cat | grep -c -i 'watchdog timeout')
say pings last: $(pings)
systemctl stop rxsteer; say stop: $? $(show ActiveState) $(show Result) $(ls /run/rxsteer-service 2>/dev/null | wc -l)
echo nonsense > /etc/rxsteer/forward.yaml
systemctl start rxsteer 2>/dev/null; say wrong: $? "$(journalctl -u rxsteer -o cat | grep '^rxsteer: .*forward.yaml' | tail -n 1)"
systemctl stop rxsteer; systemctl reset-failed rxsteer
dpkg --purge rxsteer >/dev/null 2>&1; say purge: $? $(ls -d /etc/rxsteer /var/lib/rxsteer /run/rxsteer-service /lib/systemd/system/rxsteer.service 2>/dev/null | tr '\n' ' ') $(systemctl show rxsteer -p LoadState --value)
`;

describe.skipIf(missing !== '')('the service under systemd', () => {
  let folder: string;
  let said: Map<string, string>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rxsteer-service-'));
    const tree = new DebianTree(folder);
    for (const file of [node, join(build, name!)]) {
      copyFileSync(file, join(tree.path, 'package.deb'));
      tree.inside('dpkg', '-i', '/package.deb');
    }
    rmSync(join(tree.path, 'package.deb'));
    tree.file('etc/rxsteer/forward.yaml', configuration('rss:queues=2'));
    tree.file('etc/systemd/system/rxsteer.service.d/patient.conf', PATIENT);
    const text = await tree.boot(SCRIPT, 3_000_000);
    // Where it did not come to its end, all that it said.
    process.stdout.write(/^SAID purge/m.test(text) ? text.replace(/^(?!SAID).*\n/gm, '') : text);
    said = new Map(
      [...text.matchAll(/^SAID ([^:]*): (.*)$/gm)].map(([, key, value]) => [key!, value!.trim()]),
    );
  }, 3_600_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('says itself when it is ready, and has no user and no rights but those it needs', () => {
    expect(said.get('start')).toBe('0');
    expect(said.get('state')).toMatch(/^active notify .*2 ports, 2 workers, rss:queues=2/);
    expect(said.get('user')).toMatch(/^(rxsteer|UNKNOWN|6\d{4}) CapEff:/);
    expect(said.get('user')).not.toMatch(/CapEff:\s*0*1ffffffffff/);
    expect(said.get('pings')).toBe('20 received');
  });

  it('takes another configuration at a reload, in the same process', () => {
    expect(said.get('reload')).toBe('0');
    expect(said.get('reloaded')).toBe('"policy": "single" same yes');
  });

  it('comes again when it was killed, and when it is stuck', () => {
    expect(said.get('restarted')).toBe('1 active');
    expect(said.get('pings again')).toBe('20 received');
    expect(said.get('watchdog')).toBe('2 1');
    expect(said.get('pings last')).toBe('20 received');
  });

  it('stops, says what is wrong with a configuration, and leaves nothing', () => {
    expect(said.get('stop')).toBe('0 inactive success 0');
    expect(said.get('wrong')).toMatch(/^1 rxsteer: .*forward\.yaml/);
    expect(said.get('purge')).toBe('0 not-found');
  });
});
