import { FirnError } from '../../../schemas/error.js'
import type { KafkaBroker, KafkaCluster } from './kafka-cluster.js'
import { READ_COMMITTED } from './kafka-cluster.js'
import { leaderOf } from './kafka-link.js'

const EARLIEST = -2
const LATEST = -1

/** By partition: the first offset that is there, and one past the last one that is committed. */
export async function listOffsets(
  cluster: KafkaCluster,
  topic: string,
  partitions: readonly number[],
): Promise<readonly { readonly partition: number; readonly earliest: number; readonly end: number }[]> {
  // The ends first: an offset that is removed in between then shows as removed.
  const ends = await ask(cluster, topic, partitions, LATEST)
  const starts = await ask(cluster, topic, partitions, EARLIEST)
  return partitions.map((partition) => {
    const earliest = offsetOf(starts, topic, partition)
    return { partition, earliest, end: Math.max(earliest, offsetOf(ends, topic, partition)) }
  })
}

async function ask(
  cluster: KafkaCluster,
  topic: string,
  partitions: readonly number[],
  timestamp: number,
): Promise<ReadonlyMap<number, number>> {
  const led = new Map<KafkaBroker, number[]>()
  for (const partition of partitions) {
    const broker = await leaderOf(cluster, topic, partition)
    led.set(broker, [...(led.get(broker) ?? []), partition])
  }
  const answers = [...led].map(async ([broker, asked]) => {
    const { responses } = await broker.listOffsets({
      isolationLevel: READ_COMMITTED,
      topics: [{ topic, partitions: asked.map((partition) => ({ partition, timestamp })) }],
    })
    return responses.flatMap((response) => response.partitions)
  })
  return new Map(
    (await Promise.all(answers)).flat().map(({ partition, offset }) => [partition, Number(offset)]),
  )
}

function offsetOf(offsets: ReadonlyMap<number, number>, topic: string, partition: number): number {
  const offset = offsets.get(partition)
  if (offset !== undefined && Number.isSafeInteger(offset) && offset >= 0) return offset
  throw new FirnError('io', `topic ${topic}, partition ${partition}: the broker tells no offset`, {
    context: { topic, partition, offset },
  })
}
