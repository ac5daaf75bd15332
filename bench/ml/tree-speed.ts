import { gbdt } from '../../ml/models/gbdt/gbdt.js'
import { binColumns } from '../../ml/models/trees/bin-columns.js'
import type { TrainingInputs } from '../../ml/models/estimator.js'
import { seededRandom } from '../../ml/training/seeded-random.js'
import { benchRow, timed, type BenchRow } from '../bench-row.js'
import { findPeerPython, fitByPeers } from './peer-models.js'

const COLUMNS = 20

/** Boosting a large table beside XGBoost on one thread, by CPU time: the clock says little on a machine with other work. */
export async function benchTreeSpeed(options: {
  readonly quick: boolean
  readonly log: (text: string) => void
}): Promise<BenchRow[]> {
  const rows = options.quick ? 100_000 : 1_000_000
  const definition = {
    kind: 'gbdt' as const,
    trees: options.quick ? 20 : 100,
    maxDepth: 6,
    learningRate: 0.1,
  }
  const train = drawTable(rows)
  const work = `${rows} rows × ${COLUMNS}, ${definition.trees} trees of depth ${definition.maxDepth}`
  options.log(`${work} …`)
  const fit = { task: 'binary-classification' as const, classes: 2, definition, train, seed: 0 }
  const bins = await timed(() => Promise.resolve(binColumns(train, 256)))
  const whole = await timed(() => gbdt.fit({ ...fit, onEpoch: () => undefined }))
  const scored = await timed(() => whole.result.predict(train))
  const python = findPeerPython()
  const [peer] =
    python === undefined ? [] : await fitByPeers([{ ...fit, test: train, predictions: false }], python)
  const name =
    peer === undefined ? 'XGBoost is not there: run `node scripts/peers.mjs`' : 'XGBoost, one thread'
  const { bin = 0, fit: fitted = 0, predict = 0 } = peer?.seconds ?? {}
  const row = (part: string, ours: number, theirs: number) =>
    benchRow(`${work}: ${part}`, ours, name, peer === undefined ? null : theirs, 'CPU s')
  return [
    row('bins', bins.cpuSeconds, bin),
    row('bins and trees', whole.cpuSeconds, bin + fitted),
    row('predictions', scored.cpuSeconds, predict),
  ]
}

function drawTable(rows: number): TrainingInputs {
  const random = seededRandom(5)
  const x = new Float64Array(rows * COLUMNS)
  const y = new Float64Array(rows)
  for (let row = 0; row < rows; row += 1) {
    const at = row * COLUMNS
    for (let i = 0; i < COLUMNS; i += 1) x[at + i] = Math.fround(random() + random() + random() - 1.5)
    const [a = 0, b = 0, c = 0, d = 0] = x.subarray(at, at + 4)
    y[row] = Number(a * b + Math.sin(3 * c) + d + random() > 0.5)
  }
  return { rows, columns: Array.from({ length: COLUMNS }, (_, i) => `c${i}`), x, y }
}
