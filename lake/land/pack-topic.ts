import { FirnError } from '../../schemas/error.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import type { PackedTopicObject, TopicDeadLetter, TopicPackTask } from '../../schemas/topics.js'
import type { DocumentProblem } from './document-problem.js'
import type { LineBuffer, RecordPlace } from './line-buffer.js'
import { frozenContractError, RawObject } from './raw-object.js'
import { RecordContract } from './record-contract.js'
import type { RecordCursor } from './record-cursor.js'
import { recordAt } from './record-cursor.js'
import { recordDigest } from './record-digest.js'

/** Records of one partition as they are fetched, `next` the offset that the following chunk begins at. */
export interface TopicChunk {
  readonly records: RecordCursor
  readonly next: number
}

/**
 * Packs the records of the task's range in order, whatever the chunks; records outside it are left out. An object is
 * compressed while the next one is filled. The last object ends where the range ends, with or without a record there;
 * a range without any gives one object without records.
 */
export async function* packTopic(
  task: TopicPackTask,
  chunks: AsyncIterable<TopicChunk>,
): AsyncGenerator<PackedTopicObject> {
  const { first, end } = task.range
  const contract = new RecordContract({ ...task, fields: parseDocumentSchema(task.schema).fields })
  const spare: LineBuffer[] = []
  let object = new TopicObject(task, contract, first, spare)
  let closing: Promise<PackedTopicObject> | undefined
  let next = first
  if (next < end) {
    for await (const chunk of chunks) {
      const { records } = chunk
      while (records.next()) {
        const { offset } = records
        if (offset < next || offset >= end) continue
        if (object.isFull()) {
          if (closing !== undefined) yield await closing
          const { end: full } = object
          closing = object.close(full)
          // Where the range ends with an error before it is awaited.
          closing.catch(() => undefined)
          object = new TopicObject(task, contract, full, spare)
        }
        object.add(records)
        next = offset + 1
      }
      next = Math.max(next, Math.min(chunk.next, end))
      if (next === end) break
    }
  }
  if (next < end) throw endedEarly(task, next)
  if (closing !== undefined) yield await closing
  yield await object.close(end)
}

/** An object of one partition being filled. */
class TopicObject {
  private readonly object: RawObject
  private readonly deadLetters: TopicDeadLetter[] = []
  private readonly place: TopicPlace
  private hasRecords = false
  /** Of the last record. */
  private timestampMs = NO_TIMESTAMP
  private valueFrom = -1
  private valueEnd = -1

  constructor(
    private readonly task: TopicPackTask,
    private readonly contract: RecordContract,
    private readonly first: number,
    spare: LineBuffer[],
  ) {
    this.object = new RawObject(contract, task.objectBytes, spare)
    const { topic, range } = task
    this.place = new TopicPlace(topic, range.partition, first)
  }

  /** One past the last record: where the next chunk begins would depend on how the records were fetched. */
  get end(): number {
    return this.hasRecords ? this.place.offset + 1 : this.first
  }

  isFull(): boolean {
    return this.object.isFull()
  }

  add(record: RecordCursor): void {
    const { place } = this
    const { bytes, timestampMs, valueFrom, valueEnd } = record
    place.offset = record.offset
    place.timestampMs = timestampMs === NO_TIMESTAMP ? undefined : timestampMs
    place.keyBytes = bytes
    place.keyFrom = record.keyFrom
    place.keyEnd = record.keyEnd
    this.hasRecords = true
    this.timestampMs = timestampMs
    this.valueFrom = valueFrom
    this.valueEnd = valueEnd
    const problem = this.object.add(bytes, valueFrom, valueEnd, place)
    if (problem === undefined) return
    if (this.contract.isFrozen) throw frozenContractError(place, problem)
    this.deadLetters.push(deadLetterOf(record, problem))
  }

  /** `end`: one past the last offset that was consumed. */
  async close(end: number): Promise<PackedTopicObject> {
    const { object, place } = this
    const { offset, keyBytes: bytes, keyFrom, keyEnd } = place
    const { timestampMs, valueFrom, valueEnd } = this
    const last = { offset, timestampMs, bytes, keyFrom, keyEnd, valueFrom, valueEnd }
    const { records, payloadBytes, minEventTimeMs, maxEventTimeMs } = object
    const undeclared = this.contract.takeUndeclared()
    return {
      partition: this.task.range.partition,
      ...{ first: this.first, end, records, payloadBytes, deadLetters: this.deadLetters, undeclared },
      ...(await object.close()),
      ...(minEventTimeMs !== undefined && { minEventTimeMs }),
      ...(maxEventTimeMs !== undefined && { maxEventTimeMs }),
      ...(this.hasRecords && { last: { offset, digest: recordDigest(recordAt(last)) } }),
    }
  }
}

/** Kafka's word for a message of a producer that gave none. */
const NO_TIMESTAMP = -1

/** Filled in anew for every record. A class, so that all of them have one shape: what runs was optimized for that. */
class TopicPlace implements RecordPlace {
  readonly path = null
  timestampMs: number | undefined
  keyBytes: Uint8Array = Buffer.alloc(0)
  keyFrom = -1
  keyEnd = -1

  constructor(
    readonly topic: string,
    readonly partition: number,
    public offset: number,
  ) {}
}

function deadLetterOf(record: RecordCursor, problem: DocumentProblem): TopicDeadLetter {
  const { offset, timestampMs, key, value } = recordAt(record)
  return {
    ...{ offset, timestampMs, kind: problem.kind, message: problem.message, documentPath: problem.path },
    // Copied: the fetched bytes around it would stay in memory with it.
    key: key === null ? null : new Uint8Array(key),
    raw: new Uint8Array(value ?? []),
  }
}

function endedEarly(task: TopicPackTask, next: number): FirnError {
  const { partition, end } = task.range
  return new FirnError(
    'io',
    `reading partition ${partition} of ${task.topic} ended at offset ${next}, before the range's end ${end}; it is read again`,
    { context: { topic: task.topic, partition, next, end } },
  )
}
