/**
 * Where the native addon is.
 *
 * Promise: the first of these that is there is the addon, and no other is tried after it, so that nobody runs another
 * than he thinks: the file that `RXSTEER_ADDON` names; what was built here (`build/Release`); what the package brings
 * for this platform (`prebuilds/`). Where none is there, one line says what was looked for, and what can be done.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What decides which addon is taken. */
export interface AddonPlace {
  /** Folder of the package or checkout. */
  readonly root: string;
  readonly platform: string;
  readonly arch: string;
  /** 'glibc', 'musl', or null where it cannot be told. Asked for a prebuilt addon only: it takes a look at files. */
  readonly libc: () => string | null;
  /** `RXSTEER_ADDON`; empty counts as not given. */
  readonly override: string | undefined;
}

/** A file that is there, or why there is none, in one line. */
export type FoundAddon = { readonly file: string } | { readonly problem: string };

/** The name that a built addon has, wherever it lies. */
const NAME = 'rxsteer.node';

/** This process. */
export function thisPlace(): AddonPlace {
  return {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    platform: process.platform,
    arch: process.arch,
    // Loaded when it is asked, which a checkout never does.
    libc: () => (createRequire(import.meta.url)('detect-libc') as typeof import('detect-libc')).familySync(),
    override: process.env.RXSTEER_ADDON,
  };
}

/** Finds the addon; nothing is loaded. Never throws. */
export function findAddon(place: AddonPlace): FoundAddon {
  const { root, platform, arch, override } = place;
  if (platform !== 'linux') return { problem: 'live ports need Linux' };
  if (override !== undefined && override !== '') {
    return existsSync(override)
      ? { file: override }
      : { problem: `the native addon is not where RXSTEER_ADDON says: there is no file ${override}` };
  }
  const built = join(root, 'build', 'Release', NAME);
  if (existsSync(built)) return { file: built };
  const libc = place.libc() ?? 'an unknown libc';
  const prebuilt = join(root, 'prebuilds', `linux-${arch}-${libc}`, NAME);
  if (existsSync(prebuilt)) return { file: prebuilt };
  return {
    problem: `there is no native addon for ${platform} ${arch} with ${libc}: neither a built one (${built}) nor a prebuilt one (${prebuilt}); ${waysOut(root)}`,
  };
}

/** What can be done about an addon that is not there, or does not load. */
export function waysOut(root: string): string {
  // Only a checkout has the sources of the program itself.
  const build = existsSync(join(root, 'src'))
    ? 'run `npm run setup`'
    : `run \`node ${join(root, 'scripts', 'build-addon.mjs')}\``;
  return `${build}, which needs cmake, make and g++, or name one in RXSTEER_ADDON`;
}
