// What a wrong call throws: one line for people, and a code for programs (docs/errors.md).   node examples/errors.mjs
import { ERROR_CODES, parsePolicy, UserError } from 'rxsteer';

for (const policy of ['rss:nic=ixgbe-82599,queues=32', 'rsss']) {
  try {
    parsePolicy(policy, { workers: 32 });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.log(`${error.code}: ${ERROR_CODES[error.code]}: ${error.message}`);
  }
}
