/** Code with a fault that lies behind four conditions: what a fuzzer without coverage would not get through to. */
export function planted(input: Uint8Array): void {
  if (input[0] !== 0x62) return;
  if (input[1] !== 0x75) return;
  if (input[2] !== 0x67) return;
  if (input[3] !== 0x21) return;
  throw new Error('the planted fault');
}
