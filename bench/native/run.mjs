// Compiles the micro-benchmarks of the kernel boundary and runs them in a network namespace of their own (root).
// Usage: node bench/native/run.mjs [rx_methods] [tx_methods]
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const build = fileURLToPath(new URL('../../build/bench', import.meta.url));
mkdirSync(build, { recursive: true });
const chosen = process.argv.slice(2);
for (const name of chosen.length > 0 ? chosen : ['rx_methods', 'tx_methods']) {
  const binary = `${build}/${name}`;
  const flags = ['-std=c++20', '-O3', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-pthread'];
  execFileSync(process.env.CXX ?? 'c++', [...flags, '-o', binary, `${here}${name}.cc`], { stdio: 'inherit' });
  const setUp = [
    'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6',
    'ip link add b0 numtxqueues 1 numrxqueues 1 type veth peer name b1 numtxqueues 1 numrxqueues 1',
    'ip link set b0 up',
    'ip link set b1 up',
    'exec "$0"',
  ].join(' && ');
  execFileSync('unshare', ['-n', 'sh', '-c', setUp, binary], { stdio: 'inherit', timeout: 60_000 });
}
