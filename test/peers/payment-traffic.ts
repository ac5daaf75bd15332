import { setTimeout as sleep } from 'node:timers/promises'
import { type Kafka, Partitioners } from 'kafkajs'
import { breakDocuments } from '../../cli/simulate/break-documents.js'
import type { SimulatedRecord } from '../../cli/simulate/simulation.js'
import { PAYMENTS_TOPIC, PaymentSimulation, type PaymentEvent } from '../../pipelines/churn/simulate.js'
import { seededDraws } from '../../pipelines/seeded-draws.js'

export interface TrafficOptions {
  readonly seed: number
  readonly count: number
  readonly bad: number
  /** Payments that are not in order, by up to 72 minutes. */
  readonly late: number
  /** Share of payments that a producer sends twice. */
  readonly twice: number
  /** UTC midnight. */
  readonly startMs: number
}

const DAY_MS = 86_400_000
/** A simulated day takes 72 minutes, and few users share the payments of many, so that windows hold several. */
const FASTER = 20
const TOKENS = 5
export const PORTIONS = 120
const MEMBERS = ['merchant_id', 'status', 'user_token'] as const

/** Simulated payments, some bad, late or sent twice, and what of them is to be found in the lake. */
export class PaymentTraffic {
  /** By transaction, as sent. */
  readonly good = new Map<string, PaymentEvent>()
  readonly bad: string[] = []
  readonly badCounts: Readonly<Record<string, number>>
  copies = 0
  private readonly records: readonly SimulatedRecord[]

  constructor({ seed, count, bad, late, twice, startMs }: TrafficOptions) {
    const payments = new PaymentSimulation({ seed, users: 4000, startMs, late })
    const whole: SimulatedRecord[] = []
    for (const event of payments.events()) {
      whole.push({ key: event.user_token, value: JSON.stringify(denser(event, startMs)) })
      if (whole.length === count) break
    }
    const { records, counts } = breakDocuments(whole, { seed, share: bad, members: MEMBERS })
    const sent: SimulatedRecord[] = []
    const draws = seededDraws(seed, 'twice')
    for (const [i, record] of [...records].entries()) {
      sent.push(record)
      if (record.value !== whole[i]!.value) this.bad.push(record.value)
      else {
        const event = JSON.parse(record.value) as PaymentEvent
        this.good.set(event.txn_id, event)
        if (draws.uniform() < twice) {
          this.copies += 1
          sent.push(record)
        }
      }
    }
    this.records = sent
    this.badCounts = counts
  }

  /** In portions, evenly over the time; each waits until `ready`, for slow machines. */
  async send(kafka: Kafka, overMs: number, ready: (portion: number) => Promise<void>): Promise<void> {
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
    })
    await producer.connect()
    for (let portion = 0; portion < PORTIONS; portion += 1) {
      await Promise.all([ready(portion), sleep(overMs / PORTIONS)])
      const from = Math.floor((portion * this.records.length) / PORTIONS)
      const end = Math.floor(((portion + 1) * this.records.length) / PORTIONS)
      await producer.send({ topic: PAYMENTS_TOPIC, messages: this.records.slice(from, end) })
    }
    await producer.disconnect()
  }
}

function denser(event: PaymentEvent, startMs: number): PaymentEvent {
  const atMs = new Date(event.event_time).getTime()
  const sinceMs = Math.floor((atMs - Math.floor(startMs / DAY_MS) * DAY_MS) / FASTER)
  const timeMs = startMs + sinceMs
  const token = Number.parseInt(event.user_token.slice(-4), 16) % TOKENS
  return {
    ...event,
    user_token: `sim-${token}`,
    event_time: typeof event.event_time === 'number' ? timeMs : new Date(timeMs).toISOString(),
  }
}
