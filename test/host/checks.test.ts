/** Every check finds a host that is wrong, and not the same host cured by the commands that it printed. */
import { describe, expect, it } from 'vitest';
import { CHECKS } from '#rxsteer/host/checks/index.js';
import { diagnose } from '#rxsteer/host/doctor.js';
import { CASES, type Case } from './cases.js';
import { FakeHost } from './fake-host.js';

function made({ machine, bare, breaks }: Case): FakeHost {
  const host = new FakeHost(machine?.cpus, machine?.nodes, machine?.smt);
  if (bare !== true) host.nic('eth0');
  breaks(host);
  return host;
}

/** Masks without zeros in front; tables by their buckets of each queue, which is all that `ethtool -X` can set. */
function plain(path: string, text: string): string {
  if (path.endsWith('_cpus')) return text.replace(/^0+(?=.)/, '');
  if (!path.includes('/ethtool/')) return text;
  const facts = JSON.parse(text);
  facts.rss.entries.sort((a: number, b: number) => a - b);
  return JSON.stringify(facts);
}

/** All that a command may set, with masks and lists in one form. */
const settings = (host: FakeHost) =>
  Object.fromEntries(
    [...host.files]
      .filter(([path]) =>
        /rps_|xps_|smp_affinity_list|\/sys\/(net|kernel)\/|\/ethtool\/|status|napi_|gro_flush|threaded|governor/.test(
          path,
        ),
      )
      .map(([path, text]) => [path, plain(path, text.trim())])
      .sort(),
  );

describe('a healthy host', () => {
  it('has nothing wrong', async () => {
    const { findings } = diagnose(await new FakeHost().nic('eth0').read());
    expect(findings).toEqual([]);
  });
});

describe('each check', () => {
  it('has a case, and each case a check', () => {
    expect(Object.keys(CASES).sort()).toEqual(CHECKS.map(({ id }) => id).sort());
  });

  it.each(Object.entries(CASES))('%s finds it, and its cure', async (id, one) => {
    const host = made(one);
    const before = settings(host);
    const found = diagnose(await host.read()).findings.filter((finding) => finding.id === id);
    expect(found).toHaveLength(1);
    const [finding] = found;
    expect(finding!.severity).toBe(one.severity);
    if (one.subject !== undefined) expect(finding!.subject).toBe(one.subject);
    expect(finding!.why).toMatch(/^[^\n]+$/);
    expect(Object.keys(finding!.evidence).length).toBeGreaterThan(0);
    expect(finding!.reference).toBe(`docs/doctor.md#${id}`);
    if (one.cures !== undefined) one.cures(host);
    else {
      expect(finding!.fix.filter((line) => !line.startsWith('#')).length).toBeGreaterThan(0);
      host.apply(finding!.fix);
    }
    const after = diagnose(await host.read()).findings.filter((again) => again.id === id);
    expect(after).toEqual([]);
    if (one.cures !== undefined) return;
    // Rules that were deleted come back only by their words, which nobody has.
    if (finding!.undo.length === 0) return;
    host.apply(finding!.undo);
    expect(settings(host)).toEqual(before);
  });
});
