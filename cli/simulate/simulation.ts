import { recordId } from '../../lake/land/record-id.js'
import { PAYMENTS_TOPIC, PaymentSimulation } from '../../pipelines/churn/simulate.js'
import quantum from '../../pipelines/quantum/pipeline.js'
import { runFileName, simulateRuns } from '../../pipelines/quantum/simulate.js'

/** One document of a simulation, ready to be sent. */
export interface SimulatedRecord {
  readonly key: string
  readonly value: string
}

/** Documents without end, and what is to be known about them. */
export interface Simulation {
  readonly name: 'quantum' | 'churn'
  readonly topic: string
  readonly records: Iterable<SimulatedRecord>
  /** Members on top that every document has to have, and that are strings or numbers. */
  readonly requiredMembers: readonly [string, ...string[]]
  /** Present: a file a document, so named; else files of newline JSON. */
  readonly fileName?: (number: number) => string
  /** What the model knows of the documents taken so far. */
  readonly truth?: () => Truth
}

export type Truth = ReturnType<PaymentSimulation['truth']>

export function quantumSimulation(options: {
  readonly seed: number
  readonly startMs: number
  readonly iterations: number
}): Simulation {
  const { topic, identity } = quantum.sources['experiments'] ?? { topic: 'experiment.vqe', identity: [] }
  function* records(): Generator<SimulatedRecord> {
    for (const run of simulateRuns(options))
      yield { key: recordId(identity, run), value: JSON.stringify(run) }
  }
  return {
    name: 'quantum',
    topic,
    records: records(),
    requiredMembers: ['basis_set', 'vqe_time', 'molecule_id'],
    fileName: (number) => runFileName(options, number),
  }
}

export function churnSimulation(options: {
  readonly seed: number
  readonly startMs: number
  readonly users: number
  readonly late: number
}): Simulation {
  const payments = new PaymentSimulation(options)
  function* records(): Generator<SimulatedRecord> {
    for (const event of payments.events()) yield { key: event.user_token, value: JSON.stringify(event) }
  }
  return {
    name: 'churn',
    topic: PAYMENTS_TOPIC,
    records: records(),
    requiredMembers: ['merchant_id', 'status', 'user_token'],
    truth: () => payments.truth(),
  }
}
