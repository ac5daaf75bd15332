import { EngineError } from '../../engine/engine.js'
import { IcebergError } from '../../iceberg/error.js'
import { Random } from '../random.js'
import { DamagedDocuments } from './fuzz-documents.js'
import { DamagedTable } from './fuzz-metadata.js'
import { DamagedRows } from './fuzz-rows.js'
import type { FuzzTarget, Trial } from './trial.js'

export interface FuzzResult {
  readonly cases: number
  /** Read as if nothing were wrong: not every damage makes a difference. */
  readonly unnoticed: number
  /** Errors of a clear kind, by it. */
  readonly refused: Readonly<Record<string, number>>
  /** Other rows where the format holds nothing that could have told: pages of Parquet, blocks of Avro, statistics. */
  readonly unseen: number
  /** Other rows where it could have been told. */
  readonly wrong: number
  /** Errors of no kind of ours. */
  readonly unclear: number
}

export interface FuzzOptions {
  readonly cases: number
  readonly seed: number
  readonly report: (text: string) => void
  /** Told before each case, so that one that never ends can be named. */
  readonly onCase?: (seed: number) => void
}

/** Rows go through the engine, which takes longer: of so many cases one is theirs. */
const ROWS_EVERY = 25

/** Damages files in every way and reads them: each has to be read, or refused with an error that says what is wrong. */
export async function soakFuzz({ cases, seed, report, onCase }: FuzzOptions): Promise<FuzzResult> {
  const targets = [new DamagedTable(), new DamagedDocuments(), new DamagedRows()] as const
  for (const target of targets) await target.create()
  const sum = { unnoticed: 0, unseen: 0, wrong: 0, unclear: 0 }
  const refused: Record<string, number> = {}
  try {
    for (let at = seed; at < seed + cases; at++) {
      onCase?.(at)
      const [metadata, documents, rows] = targets
      const target: FuzzTarget = at % ROWS_EVERY === 0 ? rows : at % 2 === 0 ? metadata : documents
      const trial = await target.tryDamaged(new Random(at))
      const kind = kindOf(trial)
      if (trial.kind === 'refused' && kind !== undefined) refused[kind] = (refused[kind] ?? 0) + 1
      else sum[trial.kind === 'refused' ? 'unclear' : trial.kind]++
      const problem = problemOf(trial)
      if (problem !== undefined) report(`seed ${at}, ${target.name}: ${problem}`)
    }
  } finally {
    for (const target of targets) await (target as FuzzTarget).close?.()
  }
  return { cases, refused, ...sum }
}

/** Of an error that says what is wrong; a query of ours is never at fault. */
function kindOf(trial: Trial): string | undefined {
  if (trial.kind !== 'refused') return undefined
  const { error } = trial
  if (error instanceof IcebergError) return error.kind
  return error instanceof EngineError && error.kind !== 'sql-invalid' ? error.kind : undefined
}

function problemOf(trial: Trial): string | undefined {
  if (trial.kind === 'wrong') return trial.problem
  if (trial.kind !== 'refused' || kindOf(trial) !== undefined) return undefined
  return trial.error instanceof Error ? (trial.error.stack ?? trial.error.message) : String(trial.error)
}
