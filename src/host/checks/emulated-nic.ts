/** A card of old times: each register that the guest touches leaves the guest. */
import { type Check, found } from '../check.js';
import { card } from '../effects.js';
import { advice } from '../remedy.js';
import { nics } from '../view.js';

const MODELS = /^(e1000|e1000e|e1000-.*|rtl8139|ne2k.*|pcnet|i8255.*|i8280.*|tulip|usb-net|igb)$/;
const DRIVERS = /^(e1000|e1000e|8139cp|8139too|pcnet32|ne2k-pci|tulip|de2104x)$/;

export const emulatedNic: Check = {
  id: 'emulated-nic',
  severity: 'W',
  title: 'a guest with an emulated card of old',
  *run(host) {
    const remedy = advice('virtio-net (libvirt: <model type="virtio"/>); the guest needs its driver before');
    for (const guest of host.guests) {
      for (const { model, ifname, netdev } of guest.nics.filter((nic) => MODELS.test(nic.model))) {
        yield found(
          guest.name,
          `its card ${ifname ?? netdev} is ${model}: one queue, and exits to QEMU for each packet`,
          { model, backend: ifname ?? netdev },
          { ...remedy, effects: [card(guest.pid, netdev, { model: 'virtio-net-pci' })] },
        );
      }
    }
    if (!host.virtualMachine) return;
    for (const device of nics(host).filter(({ driver }) => DRIVERS.test(driver ?? ''))) {
      yield found(
        device.name,
        `the hypervisor emulates ${device.driver}: one queue, and an exit for each register that is touched`,
        { driver: device.driver },
        remedy,
      );
    }
  },
};
