/** An interrupt line of old, or one shared with other devices: each interrupt asks all of them. */
import { type Check, found } from '../check.js';
import { advice } from '../remedy.js';
import { nics } from '../view.js';

export const irqLegacyShared: Check = {
  id: 'irq-legacy-shared',
  severity: 'W',
  title: 'a NIC on an interrupt line that is shared or of old',
  rests: 'traffic',
  *run(host) {
    for (const device of nics(host)) {
      const bad = device.irqs.filter(
        ({ chip, actions }) => /IO-APIC|XT-PIC/.test(chip) || actions.length > 1,
      );
      if (bad.length === 0) continue;
      yield found(
        device.name,
        `${bad.map(({ irq, actions }) => `irq ${irq} is ${actions.length > 1 ? `shared by ${actions.join(' and ')}` : 'a line of the IO-APIC'}`).join('; ')}: one interrupt for everything, and every sharer is asked`,
        {
          driver: device.driver,
          table: bad.map(({ irq, chip, actions }) => `irq ${irq} ${chip}: ${actions.join(', ')}`),
        },
        advice(
          'MSI or MSI-X: look in dmesg why the driver did not get it (pci=nomsi?)',
          'in a guest: another model of card (virtio)',
        ),
        { device: device.name },
      );
    }
  },
};
