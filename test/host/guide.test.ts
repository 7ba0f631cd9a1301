/** docs/kvm-host.md: every command that it shows prints what stands there, on the collections of the fixtures. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const page = readFileSync(new URL('../../docs/kvm-host.md', import.meta.url), 'utf8');
const main = fileURLToPath(import.meta.resolve('#rxsteer/cli/main.js'));
const folder = mkdtempSync(join(tmpdir(), 'rxsteer-guide-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const [name, fixture] of [
  ['host', 'wrong'],
  ['cured', 'cured'],
] as const) {
  cpSync(new URL(`fixtures/guest-${fixture}.tar.gz`, import.meta.url), join(folder, `${name}.tar.gz`));
}
const files = [...page.matchAll(/`(\w+\.yaml)`:\n\n```yaml\n(.*?)```/gs)];
for (const [, name, text] of files) writeFileSync(join(folder, name!), text!);

const commands = [...page.matchAll(/```console\n(.*?)```/gs)].flatMap(([, block]) =>
  block!.split(/^(?=\$ )/m).map((part) => {
    const end = part.indexOf('\n');
    return [part.slice(2, end), part.slice(end + 1)] as const;
  }),
);
/** A program for each command takes seconds: daily the report and the difference, all with `npm run soak`. */
const isDaily = process.env.RXSTEER_WHOLE === undefined;
const DAILY = /^rxsteer doctor --root (host\.tar\.gz|cured\.tar\.gz --diff host\.tar\.gz) \|/;

describe('docs/kvm-host.md', () => {
  it('has its files and commands', () => {
    expect(files.map(([, name]) => name)).toEqual(['kvm.yaml', 'owners.yaml']);
    expect(commands.length).toBeGreaterThan(8);
  });

  it('prints what its commands print', () => {
    const wanted = commands.filter(([command]) => !isDaily || DAILY.test(command));
    const mark = '=== next\n';
    const script = [
      // The same call prints the same: it is made once.
      `rxsteer() { n=$(echo "$*" | cksum | tr -d ' '); [ -e $n ] || "${process.execPath}" "${main}" "$@" >$n 2>&1; cat $n; }`,
      ...wanted.map(([command]) => `${command} 2>&1; printf '${mark.replace('\n', '\\n')}'`),
    ].join('\n');
    const shown = execFileSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' }).split(mark);
    for (const [i, [command, printed]] of wanted.entries()) expect(shown[i], command).toBe(printed);
  });
});
