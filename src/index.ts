/**
 * The library: `import { … } from 'rxsteer'`.
 *
 * Promise: names exported here are stable; everything else may change without notice. Wrong input throws
 * `UserError`, one line that says what is permitted. Nothing here does I/O or needs the native addon except the
 * groups Capture (files) and Engine (forwards packets); `@FILE`, `rss:ethtool=FILE` and `js:FILE` policies read
 * their file when they are parsed or compiled. Objects belong to the thread that made them, unless they say that
 * they lie in shared memory.
 *
 * The groups are the layers: Packet, Hash, NIC, Linux, Block, Requests, MAC, Policy, Capture, Traffic, Simulation, Engine. A guided tour is in
 * docs/library.md, and every group has runnable examples in examples/.
 *
 * @module rxsteer
 */

// Errors

export { ERROR_CODES, type ErrorCode } from './error-codes.js';
export { UserError } from './errors.js';
export type { FilesAllowed } from './text-file.js';

// Packet: frames built, dissected, described

export {
  type ArpOptions,
  arp,
  type ChecksumOption,
  concatBytes,
  type EthernetOptions,
  type Extension,
  ethernet,
  fragmentExtension,
  geneve,
  gre,
  gtpu,
  homeAddressExtension,
  type Ipv4Options,
  type Ipv6Options,
  icmp,
  icmpv6,
  ipInIp,
  ipv4,
  ipv6,
  mpls,
  type Packet,
  type Payload,
  pppoe,
  routingExtension,
  sctp,
  TcpFlag,
  type TcpOptions,
  type Transport,
  tcp,
  type UdpOptions,
  udp,
  type VlanTag,
  vxlan,
} from './packet/build.js';
export { BURST_MAX, Burst, FrameFlag, Kind } from './packet/burst.js';
export { describeFrame, type FrameDescription, formatIpv4, formatIpv6 } from './packet/describe.js';
export { dissectBurst } from './packet/dissect.js';
export {
  FLOW_PROTOCOLS,
  type Flow,
  type FlowFrameOptions,
  type FlowProtocol,
  flowFrame,
  parseFlow,
} from './packet/flow-text.js';
export { EtherType, Protocol } from './packet/protocol.js';
export {
  dissectInnerBurst,
  findInner,
  InnerPacket,
  TUNNEL_NAMES,
  type TunnelName,
  tunnelMask,
} from './packet/tunnel.js';

// Hash: functions, keys, what a key is worth

export { AtrFlowType, type AtrTuple, atrCommonWord, atrSignatureHash } from './hash/atr.js';
export { crc32, crc32c, xorHash } from './hash/crc.js';
export { hex32, parseHex, toHex } from './hash/hex.js';
export type { BoundKernel, HashKernels, Implementation, KernelOptions } from './hash/kernel.js';
export {
  bitRange,
  collidingDifferences,
  effectiveBits,
  IPV4_FIELDS,
  IPV6_FIELDS,
  inputsForHash,
  KeyObserver,
  type KeySymmetry,
  keySymmetry,
} from './hash/key-tools.js';
export { KEY_NAMES, type KeyName, keyNameOf, namedKey, parseKey, randomKey } from './hash/keys.js';
export { SeededRandom } from './hash/random.js';
export { inputBytesOf, keyBytesFor, Toeplitz, toeplitzBitwise } from './hash/toeplitz.js';
export { SYMMETRIC, type Symmetric, TupleHash, tupleInput } from './hash/tuple-hash.js';

// NIC: hash types, tables, profiles, pools, virtio

export type { NicStage } from './nic/decision.js';
export { type EthtoolFunction, type EthtoolRss, type GivenBeside, parseEthtool } from './nic/ethtool.js';
export {
  type EthertypeFilter,
  type FilterChip,
  type FilterStage,
  type FlexFilter,
  type MacQueue,
  NicFilters,
  type SynFilter,
  type TupleFilter,
} from './nic/filters.js';
export { Atr, type AtrOptions, SignatureTable } from './nic/flow-director.js';
export {
  type ExRule,
  explainHashType,
  type FragmentRule,
  GENERIC_TYPES,
  HASH_TYPE_NAMES,
  HashType,
  type HashTypeName,
  hashTypeList,
  hashTypeMask,
} from './nic/hash-types.js';
export {
  type DefaultFill,
  IndirectionTable,
  TABLE_SIZE_MAX,
  type TableFill,
} from './nic/indirection-table.js';
export { NicModel, type NicModelOptions, type NicVerdict } from './nic/model.js';
export {
  type FieldMatch,
  FLOW_TYPES,
  type FlowType,
  NTUPLE_FIELDS,
  type NtupleField,
  type NtupleLimits,
  type NtupleRule,
  NtupleTable,
} from './nic/ntuple.js';
export { formatNtuple, parseNtuple } from './nic/ntuple-text.js';
export {
  formatPools,
  HashFilter,
  MacFilters,
  type PoolMask,
  poolMask,
  VlanFilters,
} from './nic/pool-filters.js';
export {
  layoutForFunctions,
  mrqcFor,
  type PoolMode,
  type PoolModeChip,
  poolMode,
} from './nic/pool-modes.js';
export { layoutName, PoolQueues, type PoolQueuesOptions, type PoolRss } from './nic/pool-queues.js';
export {
  type MirrorRule,
  POOL_CHIPS,
  type PoolChip,
  PoolReason,
  type PoolSettings,
  PoolSwitch,
  Transmitted,
} from './nic/pools.js';
export {
  defaultTableSize,
  deviceKey,
  NIC_NAMES,
  type NicProfile,
  nicProfile,
  type PoolLayout,
  type TableRule,
} from './nic/profiles.js';
export { type QueueCounter, queueCounters } from './nic/queue-counters.js';
export {
  type ContextChange,
  type RssContext,
  RssContexts,
  type RssContextsOptions,
} from './nic/rss-contexts.js';
export {
  type BucketMove,
  lintTable,
  queueLoads,
  type RebalanceOptions,
  rebalance,
  type TableReport,
} from './nic/table-tools.js';
export type { TrafficClasses, TrafficClassOptions } from './nic/traffic-classes.js';
export {
  checkVirtioRss,
  decodeVirtioHash,
  decodeVirtioRss,
  decodeVirtioTunnels,
  encodeVirtioHash,
  encodeVirtioRss,
  encodeVirtioTunnels,
  readHashReport,
  VIRTIO_CLASS_CONTEXT,
  VIRTIO_CLASS_MQ,
  VIRTIO_CLASS_TUNNEL,
  VIRTIO_HASH_HEADER,
  VIRTIO_HASH_TYPES,
  VirtioContextCommand,
  VirtioFeature,
  VirtioMqCommand,
  type VirtioRssConfig,
  type VirtioRssLimits,
  virtioTunnelMask,
  writeHashReport,
} from './nic/virtio.js';
export { type VirtioAnswer, VirtioDevice } from './nic/virtio-device.js';

// Linux: RPS, RFS, accelerated RFS, backlog, fanout, tun, XPS, sysfs texts

export {
  type AcceleratedDevice,
  AcceleratedRpsQueue,
  type FlowSteerDriver,
  flowIsActive,
  mayExpire,
  staleAfter,
} from './linux/arfs.js';
export { hash32, rscale } from './linux/arith.js';
export {
  type CpuState,
  type EnqueueResult,
  type Napi,
  Softnet,
  type SoftnetOptions,
} from './linux/backlog.js';
export { CpuReverseMap, type CpuTopology, RMAP_FAR } from './linux/cpu-rmap.js';
export {
  CPUMAP_BULK,
  CPUMAP_QSIZE_MAX,
  CpuMap,
  type CpuMapCounters,
  type CpuMapOptions,
  type CpuMapResult,
} from './linux/cpumap.js';
export { formatMask, type MaskResult, parseMask, type RpsCpusResult, writeRpsCpus } from './linux/cpumask.js';
export {
  decodeFanoutArgument,
  encodeFanoutArgument,
  FanoutFlag,
  FanoutGroup,
  type FanoutMember,
  FanoutMode,
  type FanoutModeName,
  type FanoutOptions,
  type FanoutPacket,
  type Room,
} from './linux/fanout.js';
export {
  type HardwareHashType,
  LinuxFlowHash,
  type LinuxFlowHashOptions,
  packetHash,
} from './linux/flow-hash.js';
export { AddressKind, type FlowKeyOptions, FlowKeys } from './linux/flow-keys.js';
export { FlowLimit, type FlowLimitOptions } from './linux/flow-limit.js';
export { RfsSocket } from './linux/rfs-socket.js';
export { onlineCpus, RPS_NONE, RpsQueue, type RpsQueueOptions, RpsReason } from './linux/rps.js';
export { type ReceivePath, RpsDevice, receiveOn, recordedRxQueue } from './linux/rps-device.js';
export { DevFlowTable, FlowSlot, RpsMap, SockFlowTable } from './linux/rps-tables.js';
export { formatSoftnetStat, parseSoftnetStat, type SoftnetRow } from './linux/softnet-stat.js';
export {
  type SizeResult,
  writeFlowLimitTableLen,
  writeRpsFlowCnt,
  writeRpsSockFlowEntries,
} from './linux/sysctl.js';
export { TunQueues, type TunReason } from './linux/tun.js';
export { type LinuxBehaviour, linuxBehaviour, MODERN } from './linux/version.js';
export {
  pickTxQueue,
  type TrafficClass,
  type TxDevice,
  type TxPacket,
  type TxReason,
  type TxSocket,
  txHash,
  XpsMap,
} from './linux/xps.js';

// Block: hardware queues of disks, and which CPU uses which

export { type BlockBehaviour, blockBehaviour, MODERN_BLOCK } from './block/behaviour.js';
export { type Completed, type Completion, completionOf, type RqAffinity } from './block/completion.js';
export { type CpuGroups, groupCpusEvenly } from './block/group-cpus.js';
export {
  type BlockCpu,
  type BlockMachine,
  type BlockMachineShape,
  blockMachine,
} from './block/machine.js';
export { type NvmeQueue, type NvmeQueues, type NvmeSetup, nvmeQueues } from './block/nvme.js';
export {
  formatQueueCpus,
  mapQueues,
  QUEUE_TYPES,
  type QueueMap,
  type QueueMaps,
  type QueueType,
  queueCpus,
  queueFor,
} from './block/queue-map.js';

// Requests: reads of files and block devices through io_uring

export { openReadRing, type ReadRing, type ReadRingOptions } from './requests/read-ring.js';

// MAC: owners of guests

export { formatMac, type MacWords, parseMac } from './mac/address.js';
export {
  ANY_VLAN,
  Learned,
  NO_OWNER,
  type OwnerEntry,
  type OwnerLimits,
  OwnerTable,
  ownerTableBytes,
} from './mac/owner-table.js';
export type { SourceRules } from './mac/source-rules.js';

// Policy: parsed, compiled, explained, tried

export type { SeenFlow } from './policy/census.js';
export type { Balance, ChangePlan, GuestMove, OwnerMove } from './policy/change-plan.js';
export { compilePolicy, defaultWorkers, policyBytes } from './policy/compile.js';
export {
  type AnyPolicy,
  Experiment,
  type ExperimentOptions,
  explain,
  steerFrames,
  toSteering,
} from './policy/experiment.js';
export { type Explanation, explainAt } from './policy/explanation.js';
export { type FreezeList, parseFreeze } from './policy/freeze.js';
export { MacSteering } from './policy/mac.js';
export type { GuestOwner } from './policy/owners.js';
export { type ParseOptions, parseCpuList, parsePolicy } from './policy/parse.js';
export {
  type PlannedChange,
  type PlanOptions,
  planChange,
  type RunningState,
  withEntries,
} from './policy/plan.js';
export { PoolsSteering } from './policy/pools.js';
export {
  type Advice,
  bucketLoads,
  guestLoads,
  type LoadMove,
  type LoadSample,
  type MovableLoad,
  Rebalancer,
  type RebalanceSettings,
} from './policy/rebalance.js';
export { RfsSteering, type TableRewrite } from './policy/rfs.js';
export { RssSteering } from './policy/rss.js';
export {
  type Assumption,
  type JsSpec,
  type MacHashSpec,
  type MacSpec,
  type Order,
  POLICY_NAMES,
  type PolicyName,
  type PolicySpec,
  type PoolsSpec,
  type RfsSpec,
  type RoundRobinSpec,
  type RpsSpec,
  type RssSpec,
  type SingleSpec,
  type Stage,
} from './policy/spec.js';
export { fullestOverFair, gini, type Share, type Spread, SpreadCounter } from './policy/spread.js';
export type {
  CompileContext,
  CompileOptions,
  Decision,
  HashDetails,
  PolicyPort,
  Steering,
} from './policy/steering.js';
export {
  compileUserPolicy,
  type UserPolicy,
  type UserPolicyContext,
  type UserPolicyFactory,
} from './policy/user.js';
export { policyWarnings } from './policy/warnings.js';

// Capture: files in, files out

export { type CaptureBatch, type CaptureStatus, LinkType } from './capture/format.js';
export { captureFrames } from './capture/frames.js';
export { type CaptureStream, openCapture } from './capture/stream.js';
export { CaptureWriter } from './capture/writer.js';

// Traffic: made packets

export type { AppsModel } from './replay/apps.js';
export type { ChoiceFacts, PacketChoice, PacketDirection } from './replay/choice.js';
export { type Counted, type CountedQueue, compareCounted } from './replay/counted.js';
export type { ServiceModel } from './replay/model.js';
export type { Measured, Ranked } from './replay/ranking.js';
export { type ReplayOptions, replay } from './replay/replay.js';
export type {
  Advice as ReplayAdvice,
  CaptureFacts,
  FlowFact,
  FlowMoves,
  LoadOverTime,
  OtherOutcome,
  PolicyResult,
  ReorderFacts,
  ReplayResult,
  ReplayShare,
  WorkerLoad,
} from './replay/result.js';
export type { SweepLine } from './sweep/result-file.js';
export type { ScenarioLine, ScenarioRow, ScenarioSection } from './sweep/scenario-line.js';
export {
  type ScenarioSweepInput,
  type ScenarioSweepOptions,
  type ScenarioSweepResult,
  sweepScenarios,
} from './sweep/scenario-sweep.js';
export type { AxisRow, Rankable, SweepPlace, SweepSection } from './sweep/summary.js';
export { type SweepInput, type SweepOptions, type SweepResult, sweep } from './sweep/sweep.js';
export { ARRIVALS, type Arrival } from './traffic/arrivals.js';
export { flowsTo } from './traffic/find/any-policy.js';
export type { FlowQuery, FoundFlow, FoundFlows } from './traffic/find/flows.js';
export { FLOW_FIELDS, type FlowField } from './traffic/find/space.js';
export { type MadePacket, makeFrames, makeTraffic } from './traffic/frames.js';
export {
  type ImbalanceOptions,
  TRAFFIC_PROTOCOLS,
  TRAFFIC_TUNNELS,
  type TrafficOptions,
  type TrafficProtocol,
  type TrafficTunnel,
} from './traffic/options.js';

// Simulation: hosts of virtual machines on virtual time

export type { Costs, PartialCosts } from './simulate/costs/schema.js';
export { COST_SETS, type Confidence, type CostSet, type Origin } from './simulate/costs/sets.js';
export type { DiskQueueResult, DiskResult, TenantResult } from './simulate/disk/result.js';
export { CLASSES as CPU_CLASSES, type CpuClass } from './simulate/machine/classes.js';
export type { ChangeResult } from './simulate/model/changes.js';
export type { CapturedPackets } from './simulate/model/loads.js';
export { presetNamed, presets } from './simulate/presets/index.js';
export type { Claim, Family, Preset, PresetScenario } from './simulate/presets/preset.js';
export {
  type ValidatedClaim,
  type ValidatedRow,
  type ValidateOptions,
  type Validation,
  validatePresets,
} from './simulate/presets/validate.js';
export type { PacketPath, PathSpan, Recording } from './simulate/record/shown.js';
export type {
  ClassShares,
  CpuResult,
  GuestResult,
  LatencyResult,
  Limit,
  Published,
  PublishedFigure,
  RunResult,
  SimulationResult,
} from './simulate/result/result.js';
export { fitScaling, type Scaling, scaled } from './simulate/result/scaling.js';
export { readCaptures } from './simulate/scenario/captures.js';
export { parseScenario, parseScenarioText, readCosts, readScenario } from './simulate/scenario/parse.js';
export type { Scenario, ScenarioInput } from './simulate/scenario/schema.js';
export { type SimulateOptions, simulate } from './simulate/simulate.js';

// Engine: forwards packets

export { nativeHashKernels } from './addon/hash-kernels.js';
export { loadNative, nativeProblem } from './addon/native.js';
export type {
  ChangeKind,
  ChangeReport,
  LiveEngine,
  Owner,
  OwnerChange,
  TableChange,
  TableOptions,
} from './dataplane/engine/changes.js';
export type { ConsumerSummary } from './dataplane/engine/consumers.js';
export { Engine } from './dataplane/engine/engine.js';
export { type ForwarderSettings, startForwarder } from './dataplane/engine/forwarder.js';
export { type EngineOptions, engineDefaults } from './dataplane/engine/plan.js';
export { type PortSummary, type Summary, summarize, type WorkerSummary } from './dataplane/engine/summary.js';
export type { FlowClass } from './dataplane/order/flow-class.js';
export type { OrderLimits } from './dataplane/order/guard.js';
export type { GuestSharing, MoveSummary, OrderFigures } from './dataplane/order/summary.js';
export type { CapturePortSpec } from './dataplane/ports/capture/kind.js';
export type { Consumer } from './dataplane/ports/kind.js';
export type { PortSpec } from './dataplane/ports/kinds.js';
export type { MemoryPortSpec } from './dataplane/ports/memory/kind.js';
export type { MemorySourceOptions } from './dataplane/ports/memory/options.js';
export type { PacketPortSpec } from './dataplane/ports/packet/kind.js';
export { parsePort } from './dataplane/ports/port-spec.js';
export type { TapPortSpec } from './dataplane/ports/tap/kind.js';
export { DROP_REASONS, type DropReason } from './dataplane/shared/counters.js';
export type { FlowSample, HeaviestFlows } from './dataplane/shared/flow-census.js';
export type { SwitchingOptions } from './dataplane/shared/forwarding.js';
export type { TraceEntry, TraceOptions } from './dataplane/shared/trace.js';
