/**
 * The public face: what it exports, that all of it has a runnable example and a doc comment, and that loading it
 * starts nothing.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as rxsteer from 'rxsteer';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const names = Object.keys(rxsteer).sort();

/** All exported values, sorted. */
const FACE = `
  ANY_VLAN ARRIVALS AcceleratedRpsQueue AddressKind Atr AtrFlowType BURST_MAX Burst COST_SETS CPUMAP_BULK
  CPUMAP_QSIZE_MAX CPU_CLASSES CaptureWriter CpuMap CpuReverseMap DROP_REASONS DevFlowTable ERROR_CODES Engine
  EtherType Experiment FLOW_FIELDS FLOW_PROTOCOLS FLOW_TYPES FanoutFlag FanoutGroup FanoutMode FlowKeys
  FlowLimit FlowSlot FrameFlag GENERIC_TYPES HASH_TYPE_NAMES HashFilter HashType IPV4_FIELDS IPV6_FIELDS
  IndirectionTable InnerPacket KEY_NAMES KeyObserver Kind Learned LinkType LinuxFlowHash MODERN MODERN_BLOCK
  MacFilters MacSteering NIC_NAMES NO_OWNER NTUPLE_FIELDS NicFilters NicModel NtupleTable OwnerTable
  POLICY_NAMES POOL_CHIPS PoolQueues PoolReason PoolSwitch PoolsSteering Protocol QUEUE_TYPES RMAP_FAR RPS_NONE
  Rebalancer RfsSocket RfsSteering RpsDevice RpsMap RpsQueue RpsReason RssContexts RssSteering
  SYMMETRIC SeededRandom SignatureTable SockFlowTable Softnet SpreadCounter TABLE_SIZE_MAX TRAFFIC_PROTOCOLS
  TRAFFIC_TUNNELS TUNNEL_NAMES TcpFlag Toeplitz Transmitted TunQueues TupleHash UserError VIRTIO_CLASS_CONTEXT
  VIRTIO_CLASS_MQ VIRTIO_CLASS_TUNNEL VIRTIO_HASH_HEADER VIRTIO_HASH_TYPES VirtioContextCommand VirtioDevice
  VirtioFeature VirtioMqCommand VlanFilters XpsMap arp atrCommonWord atrSignatureHash bitRange blockBehaviour
  blockMachine bucketLoads captureFrames checkVirtioRss collidingDifferences compareCounted compilePolicy
  compileUserPolicy completionOf concatBytes crc32 crc32c decodeFanoutArgument decodeVirtioHash decodeVirtioRss
  decodeVirtioTunnels defaultTableSize defaultWorkers describeFrame deviceKey dissectBurst dissectInnerBurst
  effectiveBits encodeFanoutArgument encodeVirtioHash encodeVirtioRss encodeVirtioTunnels engineDefaults
  ethernet explain explainAt explainHashType findInner fitScaling flowFrame flowIsActive flowsTo formatIpv4
  formatIpv6 formatMac formatMask formatNtuple formatPools formatQueueCpus formatSoftnetStat fragmentExtension
  fullestOverFair geneve gini gre groupCpusEvenly gtpu guestLoads hash32 hashTypeList hashTypeMask hex32
  homeAddressExtension icmp icmpv6 inputBytesOf inputsForHash ipInIp ipv4 ipv6 keyBytesFor keyNameOf keySymmetry
  layoutForFunctions layoutName lintTable linuxBehaviour loadNative makeFrames makeTraffic mapQueues mayExpire
  mpls mrqcFor namedKey nativeHashKernels nativeProblem nicProfile nvmeQueues onlineCpus openCapture
  openReadRing ownerTableBytes packetHash parseCpuList parseEthtool parseFlow parseFreeze parseHex parseKey
  parseMac parseMask parseNtuple parsePolicy parsePort parseScenario parseScenarioText parseSoftnetStat
  pickTxQueue planChange policyBytes policyWarnings poolMask poolMode pppoe presetNamed presets queueCounters
  queueCpus queueFor queueLoads randomKey readCaptures readCosts readHashReport readScenario rebalance receiveOn
  recordedRxQueue replay routingExtension rscale scaled sctp simulate staleAfter startForwarder steerFrames
  summarize sweep sweepScenarios tcp toHex toSteering toeplitzBitwise tunnelMask tupleInput txHash udp
  validatePresets virtioTunnelMask vxlan withEntries writeFlowLimitTableLen writeHashReport writeRpsCpus
  writeRpsFlowCnt writeRpsSockFlowEntries xorHash
`;

describe('the public face', () => {
  // A name that vanishes from this list breaks somebody's program.
  it('exports these values', () => {
    expect(names).toEqual(FACE.trim().split(/\s+/));
  });

  it('has an example for each of them', () => {
    const folders = ['examples', 'examples/data'];
    const texts = folders.flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((name) => name.endsWith('.mjs'))
        .map((name) => readFileSync(join(root, folder, name), 'utf8')),
    );
    const words = new Set(texts.join('\n').match(/\w+/g));
    expect(names.filter((name) => !words.has(name))).toEqual([]);
  });

  it('is all that a program can import', async () => {
    const code = `import 'rxsteer/dist/policy/parse.js';`;
    const result = run(process.execPath, ['--input-type=module', '-e', code], { cwd: root });
    await expect(result).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('starts nothing when it is loaded: no thread, timer or open file', async () => {
    const code = `import 'rxsteer'; console.log(process.getActiveResourcesInfo().filter((r) => !/Pipe|TTY|CloseReq/.test(r)).join());`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: root });
    expect(stdout.trim()).toBe('');
  });
});

describe('what its types forbid', () => {
  it('is refused to programs without types too', () => {
    const calls = rxsteer as unknown as Record<string, (...values: unknown[]) => unknown>;
    expect(() => calls.parsePolicy!(4)).toThrow();
    expect(() => calls.compilePolicy!(rxsteer.parsePolicy('rss'), { workers: '2' })).toThrow();
    expect(() => calls.steerFrames!('rss', [1])).toThrow('expected an Ethernet frame');
    expect(() => new rxsteer.FanoutGroup({ mode: 'best' as never })).toThrow();
  });
});
