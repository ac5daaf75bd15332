import { FirnError } from '../../schemas/error.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import type { PackedTopicObject, TopicDeadLetter, TopicPackTask, TopicRecord } from '../../schemas/topics.js'
import type { DocumentProblem } from './document-problem.js'
import type { LineBuffer, RecordPlace } from './line-buffer.js'
import { frozenContractError, RawObject } from './raw-object.js'
import { RecordContract } from './record-contract.js'
import { recordDigest } from './record-digest.js'

/** Records of one partition as they are fetched, `next` the offset that the following chunk begins at. */
export interface TopicChunk {
  readonly records: readonly TopicRecord[]
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
      for (const record of chunk.records) {
        if (record.offset < next || record.offset >= end) continue
        if (object.isFull()) {
          if (closing !== undefined) yield await closing
          const { end: full } = object
          closing = object.close(full)
          // Where the range ends with an error before it is awaited.
          closing.catch(() => undefined)
          object = new TopicObject(task, contract, full, spare)
        }
        object.add(record)
        next = record.offset + 1
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
  private last: TopicRecord | undefined

  constructor(
    private readonly task: TopicPackTask,
    private readonly contract: RecordContract,
    private readonly first: number,
    spare: LineBuffer[],
  ) {
    this.object = new RawObject(contract, task.objectBytes, spare)
  }

  /** One past the last record: where the next chunk begins would depend on how the records were fetched. */
  get end(): number {
    return this.last === undefined ? this.first : this.last.offset + 1
  }

  isFull(): boolean {
    return this.object.isFull()
  }

  add(record: TopicRecord): void {
    this.last = record
    const place: RecordPlace = {
      topic: this.task.topic,
      path: null,
      partition: this.task.range.partition,
      offset: record.offset,
      key: record.key,
      timestampMs: record.timestampMs === NO_TIMESTAMP ? undefined : record.timestampMs,
    }
    const problem = this.object.add(record.value, place)
    if (problem === undefined) return
    if (this.contract.isFrozen) throw frozenContractError(place, problem)
    this.deadLetters.push(deadLetterOf(record, problem))
  }

  /** `end`: one past the last offset that was consumed. */
  async close(end: number): Promise<PackedTopicObject> {
    const { object, last } = this
    const { records, payloadBytes, minEventTimeMs, maxEventTimeMs } = object
    const undeclared = this.contract.takeUndeclared()
    return {
      partition: this.task.range.partition,
      ...{ first: this.first, end, records, payloadBytes, deadLetters: this.deadLetters, undeclared },
      ...(await object.close()),
      ...(minEventTimeMs !== undefined && { minEventTimeMs }),
      ...(maxEventTimeMs !== undefined && { maxEventTimeMs }),
      ...(last !== undefined && { last: { offset: last.offset, digest: recordDigest(last) } }),
    }
  }
}

/** Kafka's word for a message of a producer that gave none. */
const NO_TIMESTAMP = -1

function deadLetterOf(record: TopicRecord, problem: DocumentProblem): TopicDeadLetter {
  const { offset, timestampMs, key, value } = record
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
