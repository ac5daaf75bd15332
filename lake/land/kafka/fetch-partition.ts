import { FirnError } from '../../../schemas/error.js'
import type { KafkaBroker } from './kafka-cluster.js'
import { newestVersion, READ_COMMITTED } from './kafka-cluster.js'
import type { AbortedTransaction, FetchedBatches } from './record-batch.js'
import { WireReader } from './wire-reader.js'

const FETCH = 1
/** Kafka 2.3 to 4, Redpanda: the last one that names topics. */
const VERSION = 11
const MAX_WAIT_MS = 500

export interface FetchRequest {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The first batch comes whole, however large. */
  readonly maxBytes: number
}

export interface FetchedPartition extends FetchedBatches {
  /** Kafka's number; 0: none. */
  readonly errorCode: number
  readonly highWatermark: number
  /** ms; kafkajs keeps to it. */
  readonly clientSideThrottleTime: number
}

/** One fetch of committed records from a partition's leader; the answer may be empty. */
export async function fetchPartition(broker: KafkaBroker, request: FetchRequest): Promise<FetchedPartition> {
  if (newestVersion(broker, FETCH) < VERSION) {
    throw new FirnError(
      'config',
      'this broker is too old to read from: Kafka 2.3 or later, or a Redpanda of today, is needed.',
    )
  }
  return broker.connectionPool.send({
    request: { apiKey: FETCH, apiVersion: VERSION, apiName: 'Fetch', encode: () => encodeRequest(request) },
    response: { decode: decodeAnswer, parse: (answer) => answer },
  })
}

function encodeRequest({ topic, partition, offset, maxBytes }: FetchRequest): {
  buf: Buffer
  buffer: Buffer
} {
  const name = Buffer.from(topic)
  const buffer = Buffer.alloc(70 + name.length)
  let at = 0
  const int32 = (value: number): void => void (at = buffer.writeInt32BE(value, at))
  const int64 = (value: number): void => void (at = buffer.writeBigInt64BE(BigInt(value), at))
  const [consumer, noSession, unknownEpoch, unknownOffset] = [-1, 0, -1, -1]
  int32(consumer)
  int32(MAX_WAIT_MS)
  const minBytes = 1
  int32(minBytes)
  int32(maxBytes)
  at = buffer.writeInt8(READ_COMMITTED, at)
  int32(noSession)
  int32(unknownEpoch)
  const [topics, partitions, forgotten] = [1, 1, 0]
  int32(topics)
  at = buffer.writeInt16BE(name.length, at)
  at += name.copy(buffer, at)
  int32(partitions)
  int32(partition)
  int32(unknownEpoch)
  int64(offset)
  int64(unknownOffset)
  int32(maxBytes)
  int32(forgotten)
  const rackBytes = 0
  buffer.writeInt16BE(rackBytes, at)
  return { buf: buffer, buffer }
}

/** Of the one partition that was asked for; `bytes` is what follows the correlation id. */
export function decodeAnswer(bytes: Buffer): FetchedPartition {
  const reader = new WireReader(bytes)
  const clientSideThrottleTime = reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const partitions = reader.array(reader.int32(), () => {
    reader.string()
    return reader.array(reader.int32(), readPartition)
  })
  const [fetched = { errorCode: 0, highWatermark: -1, aborted: [], bytes: Buffer.alloc(0) }] =
    partitions.flat()
  return { ...fetched, clientSideThrottleTime, ...(errorCode === 0 ? {} : { errorCode }) }
}

function readPartition(reader: WireReader): Omit<FetchedPartition, 'clientSideThrottleTime'> {
  reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  // Last stable offset, log start offset.
  reader.forward(16)
  const aborted = reader.array(reader.int32(), readAborted)
  // Preferred read replica.
  reader.int32()
  return { errorCode, highWatermark, aborted, bytes: reader.slice(reader.int32()) ?? Buffer.alloc(0) }
}

function readAborted(reader: WireReader): AbortedTransaction {
  return { producerId: reader.bigint64(), firstOffset: reader.int64() }
}
