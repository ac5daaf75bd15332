import type { SimulatedRecord } from './simulation.js'

/** Where simulated documents go. */
export interface Sink {
  /** Resolves once they are there, or will be with `close`. */
  write(records: readonly SimulatedRecord[]): Promise<void>
  /** Writes what it held back, and ends. */
  close(): Promise<void>
  readonly place: Place
}

export type Place =
  | { readonly kind: 'folder'; readonly folder: string; readonly files: number }
  | {
      readonly kind: 'topic'
      readonly topic: string
      readonly brokers: readonly string[]
      readonly partitions: number
      readonly created: boolean
    }
