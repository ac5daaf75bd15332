import { FirnError } from '../../../schemas/error.js'
import type {
  PackedTopicObject,
  TopicPackTask,
  TopicPlace,
  Topics,
  TopicState,
} from '../../../schemas/topics.js'
import { recordAt } from '../record-cursor.js'
import { recordDigest } from '../record-digest.js'
import type { KafkaConfig } from './kafka-config.js'
import { KafkaLink } from './kafka-link.js'
import { listOffsets } from './list-offsets.js'
import { PackThreads } from './pack-threads.js'
import { patiently } from './patience.js'
import { readRange } from './read-range.js'
import { fetchTopicId } from './topic-metadata.js'

/** Whoever asks tries again by itself. */
const PATIENCE_MS = 1500

/** Topics of Kafka, or of what speaks its protocol. Nothing is connected before it is needed. */
export function createKafkaTopics(config: KafkaConfig): Topics {
  return new KafkaTopics(config)
}

class KafkaTopics implements Topics {
  private readonly link: KafkaLink
  private readonly threads: PackThreads
  private mayNote = true

  constructor(config: KafkaConfig) {
    this.link = new KafkaLink(config)
    this.threads = new PackThreads(config)
  }

  describe(topic: string): Promise<TopicState> {
    return patiently(() => describeTopic(this.link, topic), PATIENCE_MS)
  }

  pack(task: TopicPackTask, signal?: AbortSignal): AsyncGenerator<PackedTopicObject> {
    return this.threads.pack(task, signal)
  }

  async digestsAt(topic: string, places: readonly TopicPlace[]): Promise<readonly (string | undefined)[]> {
    if (places.length === 0) return []
    const { partitions } = await this.describe(topic)
    const digests = places.map(async (place) => {
      const there = partitions.find(({ partition }) => partition === place.partition)
      const isThere = there !== undefined && place.offset >= there.earliest && place.offset < there.end
      return isThere ? await digestAt(this.link, topic, place) : undefined
    })
    return await Promise.all(digests)
  }

  /** As a member of no group: a group that consumers use is left as it is. */
  async noteOffsets(group: string, topic: string, offsets: readonly TopicPlace[]): Promise<void> {
    if (!this.mayNote || offsets.length === 0) return
    const partitions = offsets.map(({ partition, offset }) => ({ partition, offset: String(offset) }))
    try {
      await this.link.use(`offsets of group ${group}`, topic, async (cluster) => {
        const coordinator = await cluster.findGroupCoordinator({ groupId: group })
        await coordinator.offsetCommit({
          ...{ groupId: group, groupGenerationId: -1, memberId: '' },
          topics: [{ topic, partitions }],
        })
      })
    } catch (error) {
      // Without the right to it every further try would fail as well.
      if (error instanceof FirnError && error.kind === 'config') this.mayNote = false
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.threads.close(), this.link.close()])
  }
}

async function digestAt(
  link: KafkaLink,
  topic: string,
  { partition, offset }: TopicPlace,
): Promise<string | undefined> {
  // A broker gives a whole batch, however little is asked for.
  const options = { fetchBytes: 1, patienceMs: PATIENCE_MS }
  const range = { partition, first: offset, end: offset + 1 }
  for await (const { records } of readRange(link, topic, range, options)) {
    if (records.next()) return recordDigest(recordAt(records))
  }
  return undefined
}

function describeTopic(link: KafkaLink, topic: string): Promise<TopicState> {
  return link.use(`topic ${topic}`, topic, async (cluster) => {
    await cluster.refreshMetadata()
    const known = cluster.findTopicPartitionMetadata(topic)
    const partitions = known.map(({ partitionId }) => partitionId).sort((a, b) => a - b)
    const offsets = await listOffsets(cluster, topic, partitions)
    const [one] = known
    const id = one && (await fetchTopicId(await cluster.findBroker({ nodeId: one.leader }), topic))
    const clusterId = cluster.brokerPool.metadata?.clusterId ?? ''
    return { identity: id ?? `${clusterId}/${topic}`, partitions: offsets }
  })
}
