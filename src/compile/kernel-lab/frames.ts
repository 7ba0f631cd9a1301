/** The numbered frames of the lab: the same in the process that sends them and in the one that knows the answers. Pure. */
import { EtherType } from '../../packet/protocol.js';
import { type Corpus, type CorpusOptions, makeCorpus } from '../corpus.js';
import { NUMBER_AT } from './recorder.js';

/** The kernel takes a tag out of a received frame before anybody sees it, and throws away what is too short for that. */
const TAGGED_BYTES_MIN = 20;
const TAGS: readonly number[] = [EtherType.vlan, EtherType.serviceVlan];

/** So many frames, each with its number in its source address. */
export function numberedCorpus(count: number, options: CorpusOptions): Corpus {
  const corpus = makeCorpus(count, options);
  const { bytes, offsets } = corpus;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < count; i++) {
    view.setUint32(offsets[i]! + NUMBER_AT, i);
    // A frame whose source is a group address is nobody's.
    bytes[offsets[i]! + 6]! &= 0xfe;
    const type = offsets[i]! + 12;
    if (offsets[i + 1]! - offsets[i]! < TAGGED_BYTES_MIN && TAGS.includes(view.getUint16(type))) {
      view.setUint16(type, EtherType.arp);
    }
  }
  return corpus;
}
