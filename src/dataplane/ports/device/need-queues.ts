/** Options that are about several queues. */
import { UserError } from '../../../errors.js';

/** @throws UserError for one queue: there is nothing to choose */
export function needQueues(where: string, option: string, queues: number): void {
  if (queues > 1) return;
  throw new UserError(`${where}: ${option} chooses among queues: queues=2 or more`);
}
