import { createHash } from 'node:crypto'
import { packTopic, type TopicChunk } from '../../lake/land/pack-topic.js'
import { recordDigest } from '../../lake/land/record-digest.js'
import { FirnError } from '../../schemas/error.js'
import type {
  PackedTopicObject,
  TopicPackTask,
  TopicPlace,
  TopicRecord,
  Topics,
  TopicState,
} from '../../schemas/topics.js'
import { cursorOver } from './topic-records.js'

/** A partition's log: what is there by offset, holes where compaction or aborted transactions left some. */
interface Log {
  earliest: number
  end: number
  records: Map<number, TopicRecord>
}

/** Topics in memory, with the promises of the real ones. `onCall` runs before each call and may throw. */
export class MemoryTopics implements Topics {
  readonly noted: { group: string; offsets: readonly TopicPlace[] }[] = []
  onCall: (call: string) => void = () => undefined
  /** Records a chunk of a fetch has. */
  chunkRecords = 7
  private readonly topics = new Map<string, { identity: string; logs: Log[] }>()
  private created = 0

  /** Makes the topic, anew where it was there. */
  create(topic: string, partitions: number): void {
    const identity = `topic-${++this.created}`
    this.topics.set(topic, { identity, logs: Array.from({ length: partitions }, emptyLog) })
  }

  addPartition(topic: string): void {
    this.topicOf(topic).logs.push(emptyLog())
  }

  /** Appends a record and returns its offset. */
  send(topic: string, partition: number, value: unknown, options: Partial<TopicRecord> = {}): number {
    const log = this.logOf(topic, partition)
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    const bytes = value === null ? null : Buffer.from(text)
    const offset = log.end++
    log.records.set(offset, {
      timestampMs: 1_751_335_200_000 + offset,
      key: null,
      value: bytes,
      ...options,
      offset,
    })
    return offset
  }

  /** Offsets without a record: aborted transactions, control records. */
  skip(topic: string, partition: number, offsets: number): void {
    this.logOf(topic, partition).end += offsets
  }

  /** Compaction takes a record away. */
  compact(topic: string, partition: number, offset: number): void {
    this.logOf(topic, partition).records.delete(offset)
  }

  /** Retention takes everything before the offset away. */
  truncate(topic: string, partition: number, earliest: number): void {
    const log = this.logOf(topic, partition)
    log.earliest = Math.max(log.earliest, Math.min(earliest, log.end))
    for (const offset of log.records.keys()) if (offset < log.earliest) log.records.delete(offset)
  }

  /** The broker comes back from a backup that ends here. */
  restore(topic: string, partition: number, end: number): void {
    const log = this.logOf(topic, partition)
    log.end = end
    for (const offset of log.records.keys()) if (offset >= end) log.records.delete(offset)
  }

  records(topic: string, partition: number): readonly TopicRecord[] {
    return [...this.logOf(topic, partition).records.values()]
  }

  describe(topic: string): Promise<TopicState> {
    this.onCall('describe')
    const { identity, logs } = this.topicOf(topic)
    const partitions = logs.map(({ earliest, end }, partition) => ({ partition, earliest, end }))
    return Promise.resolve({ identity, partitions })
  }

  async *pack(task: TopicPackTask, signal?: AbortSignal): AsyncGenerator<PackedTopicObject> {
    this.onCall('pack')
    for await (const object of packTopic(task, this.chunks(task, signal))) {
      this.onCall('object')
      yield object
    }
  }

  digestsAt(topic: string, places: readonly TopicPlace[]): Promise<readonly (string | undefined)[]> {
    this.onCall('digestsAt')
    const digests = places.map(({ partition, offset }) => {
      const record = this.logOf(topic, partition).records.get(offset)
      return record === undefined ? undefined : recordDigest(record)
    })
    return Promise.resolve(digests)
  }

  noteOffsets(group: string, _topic: string, offsets: readonly TopicPlace[]): Promise<void> {
    this.noted.push({ group, offsets })
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  private async *chunks({ topic, range }: TopicPackTask, signal?: AbortSignal): AsyncGenerator<TopicChunk> {
    const { partition, first, end } = range
    for (let from = first; from < end;) {
      if (signal?.aborted === true) throw new FirnError('cancelled', 'the landing was cancelled')
      const log = this.logOf(topic, partition)
      if (from < log.earliest) throw new FirnError('stale-range', `offset ${from} is gone; land again`)
      const next = Math.min(end, from + this.chunkRecords)
      const offsets = Array.from({ length: next - from }, (_, i) => from + i)
      yield await Promise.resolve({
        records: cursorOver(offsets.flatMap((offset) => log.records.get(offset) ?? [])),
        next,
      })
      from = next
    }
  }

  private topicOf(topic: string): { identity: string; logs: Log[] } {
    const found = this.topics.get(topic)
    if (found === undefined) throw new FirnError('not-found', `there is no topic ${topic}`)
    return found
  }

  private logOf(topic: string, partition: number): Log {
    return this.topicOf(topic).logs[partition]!
  }
}

function emptyLog(): Log {
  return { earliest: 0, end: 0, records: new Map() }
}

/** The incarnation that a topic's identity lands under. */
export function incarnationName(identity: string): string {
  return createHash('sha256').update(identity).digest('hex').slice(0, 12)
}
