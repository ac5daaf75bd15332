import type { BenchRow } from './bench-row.js'
import { benchPit } from './ml/pit.js'
import { benchQuality } from './ml/quality.js'
import { benchQuantumModels } from './ml/quantum-models.js'
import { benchStream } from './ml/stream.js'
import { benchTreeSpeed } from './ml/tree-speed.js'

export interface MlBenchOptions {
  readonly quick: boolean
  readonly log: (text: string) => void
  /** Which of its parts; default all. */
  readonly parts?: readonly string[]
}

const PARTS: Readonly<Record<string, (options: MlBenchOptions) => Promise<BenchRow[]>>> = {
  pit: benchPit,
  quality: benchQuality,
  quantum: benchQuantumModels,
  stream: benchStream,
  trees: benchTreeSpeed,
}

/** Machine learning: the point-in-time join, streaming, quality on tables, the quantum models, and how fast trees grow, each beside its peers. */
export async function benchMl({ parts = [], ...options }: MlBenchOptions): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  for (const name of parts.length === 0 ? Object.keys(PARTS) : parts) {
    const part = PARTS[name]
    if (part === undefined) {
      throw new Error(`machine learning has no bench "${name}"; it has: ${Object.keys(PARTS).join(', ')}`)
    }
    rows.push(...(await part(options)))
  }
  return rows
}
