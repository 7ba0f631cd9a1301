/** Promises that several targets have in common. */
import { UserError } from '#rxsteer/errors.js';

/** Longest line that tells what is wrong: input that is quoted in it must have been shortened. */
const LINE_MAX = 2000;

/** Fails unless `ok`. */
export function must(ok: boolean, what: string): asserts ok {
  if (!ok) throw new Error(what);
}

/** The result, or null where it was refused as wrong input is to be: by a UserError of one line that is no novel. */
export function refusedOr<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    checkRefusal(error);
    return null;
  }
}

/** Throws what is no proper refusal. */
export function checkRefusal(error: unknown): void {
  if (!(error instanceof UserError)) throw error;
  must(error.message !== '', 'a refusal without a word');
  must(!error.message.includes('\n'), `a refusal of several lines: ${JSON.stringify(error.message)}`);
  must(error.message.length <= LINE_MAX, `a refusal of ${error.message.length} characters`);
}
