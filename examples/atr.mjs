// Flow Director (ATR of ixgbe): the signature hash of a transmitted flow, bucket and signature.   node examples/atr.mjs
import { AtrFlowType, atrCommonWord, atrSignatureHash, hex32 } from 'rxsteer';

const flow = {
  flowType: AtrFlowType.tcpIpv4,
  source: Uint8Array.of(192, 0, 2, 1),
  destination: Uint8Array.of(192, 0, 2, 2),
};
for (const vlan of [0, 100]) {
  for (const sport of [40000, 40001]) {
    const hash = atrSignatureHash({ ...flow, vlan, sport, dport: 443 });
    console.log(
      `vlan ${vlan} port ${sport}: ${hex32(hash)}, bucket ${hash & 0x7fff}, signature ${hash >>> 16}`,
    );
  }
}
// The input word that addresses and ports are folded into is all that a collision needs to share.
console.log(`common word ${hex32(atrCommonWord({ ...flow, vlan: 0, sport: 40000, dport: 443 }))}`);
