import type { RebuildBatchInput } from './rebuild-messages.js'
import { checks, readFields, type Check } from './validate-input.js'

const { name, batch, flag, optional, anything } = checks

/** The fields of a `RebuildBatchInput`, as a person types them. Throws `invalid-input`. */
export const readRebuildBatchInput = (input: unknown): RebuildBatchInput =>
  readFields<RebuildBatchInput>('rebuildBatch', input, {
    pipeline: name,
    batch,
    tables: optional(tables),
    dryRun: optional(flag),
    forward: optional(flag),
  })

/** What `rebuildBatch` hands to the workflow that stands in line with builds. */
export interface RebuildInTurnInput {
  readonly pipeline: string
  /** One after another. */
  readonly batches: readonly string[]
  readonly tables?: readonly string[]
  readonly forward?: boolean
  /** Carried by the workflow itself when it continues as new. */
  readonly count?: number
}

export const readRebuildInTurnInput = (input: unknown): RebuildInTurnInput =>
  readFields<RebuildInTurnInput>('rebuildInTurn', input, {
    pipeline: name,
    batches: (value) =>
      Array.isArray(value) && value.length > 0 && value.every((item) => batch(item) === undefined)
        ? undefined
        : 'must be a list of batch ids such as 20261121T020000Z',
    tables: optional(tables),
    forward: optional(flag),
    count: optional(anything),
  })

function tables(value: unknown): ReturnType<Check> {
  const right =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (item) => typeof item === 'string' && item.split('.').every((part) => name(part) === undefined),
    )
  return right ? undefined : 'must be a list of tables such as vqe_results'
}
