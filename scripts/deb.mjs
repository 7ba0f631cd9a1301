// Builds a Debian package:
//
//     npm run deb [-- x64|arm64]
//
// Writes build/rxsteer_VERSION_ARCH.deb. It has everything but Node, for which it depends on nodejs. Needs debhelper
// (`apt-get install debhelper`) and what `npm run prebuild` needs.
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ARCHITECTURES, architecture, assemble, ROOT, run, VERSION } from './package/assemble.mjs';

const DEBIAN_NAMES = { x64: 'amd64', arm64: 'arm64' };
/** What comes before a release sorts before it. */
const version = VERSION.replace('-', '~');

function changelog() {
  // Who builds, as Debian's tools are told; else who changed rxsteer last.
  const [name, email] = run('git', ['log', '-1', '--format=%an%n%ae']).trim().split('\n');
  const { DEBFULLNAME = name, DEBEMAIL = email, SOURCE_DATE_EPOCH } = process.env;
  const seconds = SOURCE_DATE_EPOCH ?? run('git', ['log', '-1', '--format=%ct']).trim();
  const date = new Date(Number(seconds) * 1000).toUTCString().replace('GMT', '+0000');
  const lines = [
    `rxsteer (${version}) unstable; urgency=medium`,
    '',
    '  * See NEWS.md.gz beside this file.',
    '',
    ` -- ${DEBFULLNAME} <${DEBEMAIL}>  ${date}`,
  ];
  return { text: `${lines.join('\n')}\n`, maintainer: `${DEBFULLNAME} <${DEBEMAIL}>` };
}

/** Licences of all that is inside, as one file of Debian's format has them. */
function copyright(application) {
  const paragraph = (text) =>
    text
      .trim()
      .split('\n')
      .map((line) => ` ${line.trimEnd() === '' ? '.' : line.trimEnd()}`)
      .join('\n');
  const read = (...parts) => readFileSync(join(application, ...parts), 'utf8');
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: rxsteer',
    'Source: https://www.npmjs.com/package/rxsteer',
    'Comment: Packages in /usr/lib/rxsteer/node_modules have their licences beside them,',
    ' those bundled into dist/vendor in dist/vendor/LICENSES.txt.',
    '',
    'Files: *',
    `Copyright: ${/^Copyright \(c\) (.*)$/m.exec(read('LICENSE'))?.[1] ?? 'the authors of rxsteer'}`,
    'License: Expat',
    paragraph(read('LICENSE').replace(/^[\s\S]*?(?=Permission is)/, '')),
    '',
  ].join('\n');
}

const arch = architecture();
const name = DEBIAN_NAMES[arch];
const source = join(ROOT, 'build', 'deb', `rxsteer-${version}`);
try {
  rmSync(source, { recursive: true, force: true });
  cpSync(join(ROOT, 'packaging', 'debian'), join(source, 'debian'), { recursive: true });
  const application = join(source, 'application');
  assemble(application, arch);
  // Debian's own has that name.
  renameSync(join(application, 'CHANGELOG.md'), join(application, 'NEWS.md'));
  const { text, maintainer } = changelog();
  writeFileSync(join(source, 'debian', 'changelog'), text);
  writeFileSync(join(source, 'debian', 'copyright'), copyright(application));
  const control = readFileSync(join(source, 'debian', 'control'), 'utf8');
  writeFileSync(join(source, 'debian', 'control'), control.replaceAll('@MAINTAINER@', maintainer));
  const unit = readFileSync(join(application, 'packaging', 'rxsteer.service'), 'utf8');
  writeFileSync(
    join(source, 'debian', 'rxsteer.service'),
    unit.replaceAll('/usr/bin/env rxsteer', '/usr/bin/rxsteer'),
  );
  mkdirSync(join(source, 'completion'));
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = run(process.execPath, ['dist/cli/main.js', 'completion', shell]);
    writeFileSync(join(source, 'completion', shell), script);
  }
  run('dpkg-buildpackage', ['-b', '-us', '-uc', '-d', `-a${name}`], {
    cwd: source,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const file = `rxsteer_${version}_${name}.deb`;
  cpSync(join(source, '..', file), join(ROOT, 'build', file));
  process.stdout.write(`build/${file}\n`);
} catch (error) {
  const hint = existsSync('/usr/bin/dh') ? '' : ' (apt-get install debhelper)';
  process.stderr.write(
    `deb: ${error.message.split('\n')[0]}${hint}; processors: ${ARCHITECTURES.join(', ')}\n`,
  );
  process.exitCode = 1;
}
