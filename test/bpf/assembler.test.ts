/** The assembler's code, held against the numbers of the instruction set. */
import { describe, expect, it } from 'vitest';
import { Assembler, Label, linked } from '#rxsteer/bpf/assembler.js';
import { Reg } from '#rxsteer/bpf/opcodes.js';

/** `code regs offset immediate` of each instruction. */
function listing(code: Uint8Array): string[] {
  const view = new DataView(code.buffer);
  return Array.from({ length: code.length / 8 }, (_, i) =>
    [
      view.getUint8(8 * i).toString(16),
      view.getUint8(8 * i + 1).toString(16),
      view.getInt16(8 * i + 2, true),
      view.getInt32(8 * i + 4, true),
    ].join(' '),
  );
}

describe('the assembler', () => {
  it('encodes as RFC 9669 says', () => {
    const p = new Assembler();
    p.move(Reg.r6, Reg.r1);
    p.set(Reg.r0, -1);
    p.set32(Reg.r8, 0x80000000);
    p.alu('add', Reg.r1, 4);
    p.aluWith('xor', Reg.r8, Reg.r2);
    p.alu32('and', Reg.r1, 127);
    p.alu32With('or', Reg.r8, Reg.r1);
    p.fromBigEndian(Reg.r8, 16);
    p.load('b', Reg.r1, Reg.fp, -88);
    p.store('w', Reg.fp, -92, Reg.r0);
    p.storeValue('h', Reg.fp, -2, 7);
    p.atomicAdd(Reg.r1, 0, Reg.r0);
    p.call(26);
    p.exit();
    expect(listing(p.finish('t', 1).code)).toEqual([
      'bf 16 0 0',
      'b7 0 0 -1',
      'b4 8 0 -2147483648',
      '7 1 0 4',
      'af 28 0 0',
      '54 1 0 127',
      '4c 18 0 0',
      'dc 8 0 16',
      '71 a1 -88 0',
      '63 a -92 0',
      '6a a -2 7',
      'db 1 0 0',
      '85 0 0 26',
      '95 0 0 0',
    ]);
  });

  it('lands jumps, forwards and backwards', () => {
    const p = new Assembler();
    const start = new Label();
    const end = new Label();
    p.place(start);
    p.jumpIf('eq', Reg.r1, 5, end);
    p.jumpIfWith('gt', Reg.r1, Reg.r2, end);
    p.goto(start);
    p.place(end);
    p.exit();
    expect(listing(p.finish('t', 1).code)).toEqual(['15 1 2 5', '2d 21 1 0', '5 0 -3 0', '95 0 0 0']);
  });

  it('puts descriptors where maps are used', () => {
    const p = new Assembler();
    const spec = { name: 'm', type: 2, keyBytes: 4, valueBytes: 8, entries: 1, content: [] };
    p.map(spec);
    const second = p.map({ ...spec, name: 'n' });
    p.loadMapValue(Reg.r9, second, 40);
    p.loadMap(Reg.r1, 0);
    const program = p.finish('t', 1);
    expect(listing(linked(program, [11, 12]))).toEqual(['18 29 0 12', '0 0 0 40', '18 11 0 11', '0 0 0 0']);
    // The program itself stays as it was.
    expect(listing(program.code)[0]).toBe('18 29 0 0');
  });

  it('refuses labels that lead nowhere', () => {
    const open = new Assembler();
    open.goto(new Label());
    expect(() => open.finish('t', 1)).toThrow('a label that was not set');
    const far = new Assembler();
    const label = new Label();
    far.goto(label);
    for (let i = 0; i < 40_000; i++) far.exit();
    far.place(label);
    expect(() => far.finish('t', 1)).toThrow('jumps 40000 instructions');
    expect(() => far.place(label)).toThrow('a label at');
  });
});
