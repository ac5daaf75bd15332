import { parentPort, workerData } from 'node:worker_threads'
import { FirnError } from '../../../schemas/error.js'
import type { PackedTopicObject, TopicPackTask } from '../../../schemas/topics.js'
import { endWhenTold } from '../end-thread.js'
import { packTopic } from '../pack-topic.js'
import type { KafkaConfig } from './kafka-config.js'
import { KafkaLink } from './kafka-link.js'
import { readRange } from './read-range.js'

/** `taken`: the object has arrived, the next one may come. */
export type ToPackThread =
  { readonly kind: 'pack'; readonly task: TopicPackTask } | { readonly kind: 'taken' }

/** An object (the thread waits for `taken` before it sends the next one), or how the task ended. */
export type FromPackThread =
  | { readonly kind: 'object'; readonly object: PackedTopicObject }
  | { readonly kind: 'done' }
  | {
      readonly kind: 'failed'
      readonly errorKind: FirnError['kind']
      readonly message: string
      readonly context: FirnError['context']
    }

/** Entry of a thread that fetches, decodes and packs, one task after another, over a connection of its own. */
function main(port: NonNullable<typeof parentPort>): void {
  endWhenTold(port)
  const link = new KafkaLink(workerData as KafkaConfig)
  const say = (message: FromPackThread, owned: ArrayBuffer[] = []): void => port.postMessage(message, owned)
  let taken: () => void = () => undefined

  const pack = async (task: TopicPackTask): Promise<void> => {
    try {
      for await (const object of packTopic(task, readRange(link, task.topic, task.range))) {
        const answered = new Promise<void>((resolve) => (taken = resolve))
        const sent = toSend(object)
        say({ kind: 'object', object: sent }, [sent.bytes.buffer])
        await answered
      }
      say({ kind: 'done' })
    } catch (error) {
      const { kind, message, context } =
        error instanceof FirnError ? error : new FirnError('io', `packing failed: ${String(error)}`)
      say({ kind: 'failed', errorKind: kind, message, context })
    }
  }

  port.on('message', (message: ToPackThread) => {
    if (message.kind === 'taken') taken()
    else void pack(message.task)
  })
}

/** Slices would be sent with all of the memory that they are slices of. */
function toSend(object: PackedTopicObject): PackedTopicObject & { readonly bytes: Uint8Array<ArrayBuffer> } {
  const deadLetters = object.deadLetters.map((letter) => ({
    ...letter,
    key: letter.key === null ? null : new Uint8Array(letter.key),
    raw: new Uint8Array(letter.raw),
  }))
  return { ...object, bytes: new Uint8Array(object.bytes), deadLetters }
}

if (parentPort !== null) main(parentPort)
