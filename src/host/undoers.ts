/**
 * Who would undo a fix: the programs that manage what it sets.
 *
 * Promise: named only where they run on this host. Pure.
 */
import type { Host } from './host.js';

/** @param fix commands */
export function undoers({ managers }: Host, fix: readonly string[]): string[] {
  const text = fix.join('\n');
  const names: string[] = [];
  const touches = (what: RegExp) => what.test(text);
  if (managers.irqbalance !== null && touches(/\/proc\/irq\//)) {
    names.push('irqbalance moves interrupts again: start it with --banirq=N for these, or stop it');
  }
  if (managers.tuned !== null && touches(/sysctl|ethtool -[LCKG]|\/proc\/irq\//)) {
    const profile = managers.tuned === '' ? '' : ` (profile ${managers.tuned})`;
    names.push(`tuned${profile} may set it again: put it into a profile of your own`);
  }
  if (managers.networkManager && touches(/ethtool -[CGKL]/)) {
    names.push('NetworkManager sets ethtool.* of its connections: nmcli connection modify NAME ethtool.…');
  }
  if (managers.networkd && touches(/ethtool -[CGKLX]/)) {
    names.push('systemd-networkd and udev apply .link files when the device appears');
  }
  if (managers.kubernetes && touches(/sysctl|\/proc\/irq\//)) {
    names.push('node tuning of Kubernetes may set it again');
  }
  if (managers.udev.length > 0 && touches(/\/sys\/class\/net|\/proc\/irq|ethtool/)) {
    names.push(`udev rules that name such settings: ${managers.udev.join(', ')}`);
  }
  return names;
}
