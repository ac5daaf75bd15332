import type { DocumentSchema } from './pipeline.js'

/** Topics as landing sees them: what is there, and ranges of it packed into raw objects. Kafka's twin for tests is in memory. */
export interface Topics {
  /** Errors: `not-found` (no such topic), `config` (refused), `io` (not to be reached now). */
  describe(topic: string): Promise<TopicState>
  /**
   * Reads exactly the offsets of `task.range` and packs the records, in order. The same range gives the same bytes. Errors:
   * `stale-range` (offsets were removed meanwhile: plan again), `contract-broken`, `cancelled`, `io`.
   */
  pack(task: TopicPackTask, signal?: AbortSignal): AsyncGenerator<PackedTopicObject>
  /** Digests of the records at these places (recordDigest), in their order; undefined where none is there. */
  digestsAt(topic: string, places: readonly TopicPlace[]): Promise<readonly (string | undefined)[]>
  /** Tells the broker how far landing is, for tools that show lag. A hint: nothing reads it, failure is not an error. */
  noteOffsets(group: string, topic: string, offsets: readonly TopicPlace[]): Promise<void>
  close(): Promise<void>
}

export interface TopicPlace {
  readonly partition: number
  readonly offset: number
}

export interface TopicState {
  /** Another one where the topic was deleted and made again, as far as the broker tells. */
  readonly identity: string
  /** By number. */
  readonly partitions: readonly TopicPartition[]
}

export interface TopicPartition {
  readonly partition: number
  /** First offset that is still there. */
  readonly earliest: number
  /** One past the last offset that a read-committed reader may see. */
  readonly end: number
}

/** A record of a topic as its producer sent it. */
export interface TopicRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/** Plain data, so that a thread can be handed it. */
export interface TopicPackTask {
  readonly topic: string
  readonly range: { readonly partition: number; readonly first: number; readonly end: number }
  readonly schema: DocumentSchema
  readonly identity: readonly string[]
  readonly contract: 'evolve' | 'freeze' | 'discard-row'
  readonly eventTime?: string
  readonly maxDocumentBytes: number
  /** Payload bytes after which an object is closed. */
  readonly objectBytes: number
}

/** A raw object of one partition, ready to be written. Objects of a range follow each other without a hole. */
export interface PackedTopicObject {
  readonly partition: number
  readonly first: number
  /** One past the last offset consumed, whether or not a record was there. */
  readonly end: number
  readonly records: number
  /** Bytes of the payloads. */
  readonly payloadBytes: number
  /** Gzip of newline JSON. */
  readonly bytes: Uint8Array
  readonly sha256: string
  readonly deadLetters: readonly TopicDeadLetter[]
  /** Absent where there was no record. ms since 1970. */
  readonly minEventTimeMs?: number
  readonly maxEventTimeMs?: number
  /** Digest and offset of the last record that was there, good or bad. */
  readonly last?: { readonly offset: number; readonly digest: string }
  /** Undeclared members that were seen, at most 20 (contract `evolve`). */
  readonly undeclared: readonly string[]
}

export interface TopicDeadLetter {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly raw: Uint8Array
  readonly kind: string
  readonly message: string
  /** Empty: the document as a whole. */
  readonly documentPath: string
}
