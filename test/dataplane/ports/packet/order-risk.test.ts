/** How many frames may be late where a device got further queues. */
import { expect, it } from 'vitest';
import { OrderRisk } from '#rxsteer/dataplane/ports/packet/order-risk.js';

it('counts what was sent since a look that was certain, and no less', () => {
  const risk = new OrderRisk();
  risk.begin(1);
  risk.assure(1000, 0);
  risk.assure(2000, 100);
  // Too soon after the last one: what was sent before this one may have met new queues already.
  risk.assure(2500, 150);
  risk.see(4);
  risk.turned(2600);
  expect([risk.queueChanges, risk.mayBeLate]).toEqual([1, 1600]);
  // No further ones, and back again.
  risk.see(4);
  risk.see(2);
  expect(risk.queueChanges).toBe(2);
});

it('counts from the first look on where there was no earlier one, and nothing for a queueing discipline', () => {
  const risk = new OrderRisk();
  risk.begin(1);
  risk.assure(700, 5000);
  risk.see(1);
  risk.turned(900);
  expect([risk.queueChanges, risk.mayBeLate]).toEqual([0, 0]);
  risk.see(2);
  risk.turned(1000);
  expect([risk.queueChanges, risk.mayBeLate]).toEqual([1, 300]);
});
