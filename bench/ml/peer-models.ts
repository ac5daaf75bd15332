import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TrainingInputs } from '../../ml/models/estimator.js'
import type { EstimatorDefinition, ModelTask } from '../../schemas/model-definitions.js'

export interface PeerFit {
  readonly task: ModelTask
  readonly classes: number
  readonly definition: EstimatorDefinition
  readonly seed: number
  readonly train: TrainingInputs
  readonly test: TrainingInputs
  /** `false`: only times are wanted. */
  readonly predictions?: false
}

export interface PeerResult {
  readonly predictions: readonly number[]
  /** CPU seconds of one thread; `bin` for XGBoost alone. */
  readonly seconds: { readonly bin?: number; readonly fit: number; readonly predict: number }
}

const SCRIPT = join(import.meta.dirname, 'peer_models.py')

/** Where `scripts/peers.mjs` puts XGBoost and scikit-learn. */
export function findPeerPython(): string | undefined {
  const cache = process.env['FIRN_CACHE'] ?? join(homedir(), '.cache', 'firn')
  const python = join(cache, 'ml-peers', 'venv', 'bin', 'python')
  return existsSync(python) ? python : undefined
}

/** The fits by XGBoost (boosted trees) and scikit-learn (all others), in one process; tables are handed over as files. */
export async function fitByPeers(fits: readonly PeerFit[], python: string): Promise<PeerResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'firn-peer-models-'))
  const written = new Map<Float64Array, string>()
  const write = async (values: Float64Array): Promise<string> => {
    const known = written.get(values)
    if (known !== undefined) return known
    const path = join(folder, `${written.size}.f64`)
    written.set(values, path)
    await writeFile(path, values)
    return path
  }
  const tableOf = async ({ columns, x, y, weights }: TrainingInputs) => ({
    columns,
    x: await write(x),
    y: await write(y),
    ...(weights !== undefined && { weights: await write(weights) }),
  })
  try {
    const jobs: object[] = []
    for (const fit of fits)
      jobs.push({ ...fit, train: await tableOf(fit.train), test: await tableOf(fit.test) })
    const path = join(folder, 'fits.json')
    await writeFile(path, JSON.stringify({ fits: jobs }))
    const env = {
      ...process.env,
      OMP_NUM_THREADS: '1',
      OPENBLAS_NUM_THREADS: '1',
      PYTHONDONTWRITEBYTECODE: '1',
    }
    const { stdout } = await promisify(execFile)(python, [SCRIPT, path], {
      env,
      maxBuffer: 1 << 28,
      timeout: 900_000,
    })
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as PeerResult)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
