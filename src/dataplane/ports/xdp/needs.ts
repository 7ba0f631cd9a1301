/**
 * What AF_XDP ports need of a kernel, by the version that brought it.
 *
 * Promise: a refusal by which an older kernel shows says so beside what the kernel said. Versions are not compared: others
 * refuse for other reasons, and distributions carry features back. Sources: kernel commits aa8d3a716b59 (XDP by bpf_link,
 * 5.9), a1132430c2c5 (shared memory of several queues, 5.10), 18b1ab7aa76b (sockets, 4.18).
 */

const NEEDS = {
  socket: {
    codes: ['EAFNOSUPPORT'],
    what: 'AF_XDP sockets are in Linux 4.18 and later (CONFIG_XDP_SOCKETS)',
  },
  link: { codes: ['EINVAL'], what: 'programs are attached by a link in Linux 5.9 and later' },
  sharing: { codes: ['EINVAL'], what: 'several queues and interfaces share memory in Linux 5.10 and later' },
} as const;

/** Does something that some kernels have not. @throws what it throws, with the kernel that has it where that may be why */
export function needing<T>(need: keyof typeof NEEDS, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const { codes, what } = NEEDS[need];
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (!(codes as readonly string[]).includes(code)) throw error;
    throw Object.assign(new Error(`${message} (${what})`), { code });
  }
}
