/**
 * How many times slower than usual this machine is (RXSTEER_SLOW, default 1): an emulated CPU needs 10 to 30. It
 * multiplies how long tests wait before they call something a hang; nothing else.
 */
export const SLOW = Math.max(1, Number(process.env.RXSTEER_SLOW) || 1);
