import { EngineError } from '../../engine/engine.js'
import { IcebergError } from '../../iceberg/error.js'
import { Random } from '../random.js'
import { DamagedTable } from './fuzz-metadata.js'

export interface FuzzResult {
  readonly cases: number
  /** Read as if nothing were wrong: not every damage can be seen. */
  readonly unnoticed: number
  /** Errors of a clear kind, by it. */
  readonly refused: Readonly<Record<string, number>>
  /** Errors of no kind of ours. */
  readonly unclear: number
}

export interface FuzzOptions {
  readonly cases: number
  readonly seed: number
  readonly report: (text: string) => void
}

/** Damages files in every way and reads them: each has to be read, or refused with an error that says what is wrong. */
export async function soakFuzz({ cases, seed, report }: FuzzOptions): Promise<FuzzResult> {
  const table = new DamagedTable()
  await table.create()
  const refused: Record<string, number> = {}
  let unnoticed = 0
  let unclear = 0
  for (let at = seed; at < seed + cases; at++) {
    const error = await table.tryDamaged(new Random(at))
    if (error === undefined) unnoticed++
    else if (error instanceof IcebergError || error instanceof EngineError) {
      refused[error.kind] = (refused[error.kind] ?? 0) + 1
    } else {
      unclear++
      report(`seed ${at}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }
  return { cases, unnoticed, refused, unclear }
}
