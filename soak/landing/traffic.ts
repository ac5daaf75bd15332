import { type Kafka, logLevel, Partitioners, type Producer } from 'kafkajs'
import type { Random } from '../random.js'

export const TOPIC = 'soak.events'
export const PARTITIONS = 6

/** Messages of a send; a multiple of them goes out at once. */
const BATCH = 100
/** Of so many messages one breaks the contract. */
const BAD_ONE_IN = 97
/** Of so many sends one is a transaction that is aborted: its messages must not land. */
const ABORTED_ONE_IN = 12

const BAD = ['{"id": 7, "n": 1}', '{"id": "x"', '{"n": 1}', '{"id": "a", "id": "b", "n": 1}'] as const

/** Sends numbered documents, some of them broken, some in transactions that are aborted. */
export class Traffic {
  private readonly producer: Producer
  private readonly transactional: Producer
  private sent = 0

  constructor(
    kafka: Kafka,
    private readonly random: Random,
  ) {
    const createPartitioner = Partitioners.DefaultPartitioner
    const retry = { retries: 60, initialRetryTime: 200, maxRetryTime: 2000 }
    this.producer = kafka.producer({ createPartitioner, retry, idempotent: true, maxInFlightRequests: 1 })
    this.transactional = kafka.producer({
      ...{ createPartitioner, retry, idempotent: true, maxInFlightRequests: 1 },
      transactionalId: 'soak',
      transactionTimeout: 10_000,
    })
    kafka.logger().setLogLevel(logLevel.NOTHING)
  }

  async start(): Promise<void> {
    await this.producer.connect()
    await this.transactional.connect()
  }

  /** Sends that many messages, evenly over about `overMs`. */
  async send(count: number, overMs: number): Promise<void> {
    const batches = Math.ceil(count / BATCH)
    for (let i = 0; i < batches; i++) {
      const size = Math.min(BATCH, count - i * BATCH)
      if (this.random.chance(ABORTED_ONE_IN)) await this.aborted()
      await this.producer.send({ topic: TOPIC, messages: this.messages(size) })
      await new Promise((resolve) => setTimeout(resolve, overMs / batches))
    }
  }

  async stop(): Promise<void> {
    await this.producer.disconnect()
    await this.transactional.disconnect()
  }

  private async aborted(): Promise<void> {
    const ghost = { value: '{"id": "ghost", "n": 0}', partition: this.random.below(PARTITIONS) }
    try {
      const transaction = await this.transactional.transaction()
      await transaction.send({ topic: TOPIC, messages: [ghost] })
      await transaction.abort()
    } catch {
      // The broker was restarted in the middle: it aborts the transaction itself once it is over its time.
    }
  }

  private messages(count: number) {
    return Array.from({ length: count }, () => {
      const n = this.sent++
      const isBad = this.random.chance(BAD_ONE_IN)
      const text = 'x'.repeat(this.random.below(200))
      const value = isBad ? this.random.pick(BAD) : JSON.stringify({ id: `m${n}`, n, text })
      return { key: `k${this.random.below(500)}`, value, partition: this.random.below(PARTITIONS) }
    })
  }
}

/** Whether a message that was sent is one of the broken ones. */
export function isBad(value: string): boolean {
  return BAD.some((bad) => bad === value)
}
