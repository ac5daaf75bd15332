import { foldsOf } from '../../ml/evaluation/folds.js'
import { measureOne } from '../../ml/evaluation/metrics.js'
import { pairedBootstrap } from '../../ml/evaluation/paired-bootstrap.js'
import { applyPreprocessing, applyToTraining, fitPreprocessing } from '../../ml/evaluation/preprocess.js'
import type { TrainingTable } from '../../ml/datasets/training-table.js'
import type { Inputs, TrainingInputs } from '../../ml/models/estimator.js'
import { estimatorOf } from '../../ml/models/find-estimator.js'
import type { EstimatorDefinition, ModelTask } from '../../schemas/model-definitions.js'
import { benchRow, type BenchRow } from '../bench-row.js'
import { findPeerPython, fitByPeers, type PeerFit } from './peer-models.js'
import { quantumTables, type QuantumTable } from './quantum-tables.js'

const PEERS: Readonly<Record<string, string>> = {
  gbdt: 'XGBoost',
  'random-forest': 'scikit-learn',
  logistic: 'scikit-learn',
  ridge: 'scikit-learn',
}
/** Kinds in which something is drawn. */
const DRAWN: ReadonlySet<string> = new Set(['gbdt', 'random-forest'])
const SEEDS = [0, 1, 2, 3, 4]

/**
 * Quality on tables: the pipeline's models over its 150 runs, each molecule held out once, beside XGBoost and scikit-learn
 * with the same parameters, the same folds and the same preprocessed numbers. Both draw rows and columns in their own ways,
 * so the means over seeds are compared; the interval is a paired bootstrap over runs of the seeds' mean prediction.
 */
export async function benchQuality(options: {
  readonly quick: boolean
  readonly log: (text: string) => void
}): Promise<BenchRow[]> {
  const python = findPeerPython()
  if (python === undefined)
    return [benchRow('quality', 0, 'XGBoost is not there: run `node scripts/peers.mjs`')]
  options.log('150 runs are landed and their data sets built …')
  const rows: BenchRow[] = []
  for (const table of await quantumTables()) {
    for (const definition of Object.values(table.estimators)) {
      if (PEERS[definition.kind] === undefined) continue
      const seeds = DRAWN.has(definition.kind) && !options.quick ? SEEDS : [0]
      const { log } = options
      rows.push(await compare(table, { name: definition.kind, definition, seeds, python, log }))
      if (definition.kind !== 'gbdt') continue
      // With nothing drawn both grow the same trees: what differs above is what each has drawn.
      const whole = { ...definition, subsample: 1, columnSample: 1 }
      rows.push(
        await compare(table, { name: 'gbdt, nothing drawn', definition: whole, seeds: [0], python, log }),
      )
    }
  }
  return rows
}

interface Comparison {
  readonly name: string
  readonly definition: EstimatorDefinition
  readonly seeds: readonly number[]
  readonly python: string
  readonly log: (text: string) => void
}

async function compare(of: QuantumTable, comparison: Comparison): Promise<BenchRow> {
  const { name, definition, seeds, python, log } = comparison
  const { task } = of.definition
  const fits = foldFits(of, definition)
  const jobs = seeds.flatMap((seed) => fits.map((fit) => ({ ...fit, seed })))
  const found = await fitByPeers(jobs, python)
  const theirs = seeds.map((_, i) =>
    inTableOrder(of.table, fits, (_fit, fold) => found[i * fits.length + fold]?.predictions ?? []),
  )
  const ours: Float64Array[] = []
  for (const seed of seeds) {
    const predictions: Float64Array[] = []
    for (const fit of fits) predictions.push(await predictHeld({ ...fit, seed }))
    ours.push(inTableOrder(of.table, fits, (_, fold) => predictions[fold] ?? []))
  }
  const metric = task === 'regression' ? 'mae' : 'roc_auc'
  const valueOf = (predictions: Float64Array): number =>
    measureOne(task, metric, { labels: of.table.labels, predictions, classes: 2 }) ?? NaN
  const [a, b] = [ours.map(valueOf), theirs.map(valueOf)]
  const { difference, low, high } = pairedBootstrap({
    ...{ task, metric, labels: of.table.labels, seed: 1 },
    a: meanOf(ours),
    b: meanOf(theirs),
  })
  const peer = `${PEERS[definition.kind] ?? ''}; by seed ${range(a)} against ${range(b)}; means ${difference.toPrecision(2)} (${low.toPrecision(2)} to ${high.toPrecision(2)})`
  const work = `${of.model} ${name}`
  log(`  ${work}: ${mean(a).toFixed(4)} beside ${mean(b).toFixed(4)} of ${peer}`)
  return benchRow(work, mean(a), peer, mean(b), metric)
}

interface FoldFit extends Omit<PeerFit, 'seed' | 'predictions'> {
  readonly held: Int32Array
  /** Of the held-out rows: what is added to what was learnt. */
  readonly offsets: Float64Array
}

/** What a training does with each fold's rows: preprocessing from its training rows alone, labels less the offset. */
function foldFits({ table, definition: model }: QuantumTable, definition: EstimatorDefinition): FoldFit[] {
  const { task, offset } = model
  const all = Int32Array.from({ length: table.rows }, (_, row) => row)
  const found = table.columns.find(({ name }) => name === offset)
  const offsets = found?.kind === 'number' ? found.values : new Float64Array(table.rows)
  const seen = {
    ...table,
    columns: table.columns.filter(({ name }) => name !== offset),
    labels: table.labels.map((label, row) => label - (offsets[row] ?? 0)),
  }
  const folds = foldsOf(table, all, { validation: { kind: 'leave-one-group-out' }, task, seed: 0 })
  return folds.map(({ training, held }) => {
    const preprocessing = fitPreprocessing(seen, training, { definition, task, seed: 0 })
    const labelled = (inputs: Inputs, rows: Int32Array): TrainingInputs => ({
      ...inputs,
      // XGBoost's own 32 bits, so that both see the same numbers.
      x: definition.kind === 'gbdt' ? inputs.x.map(Math.fround) : inputs.x,
      y: Float64Array.from(rows, (row) => seen.labels[row] ?? NaN),
    })
    return {
      ...{ task, classes: classesOf(task), definition, held },
      train: labelled(applyToTraining(preprocessing, seen, training), training),
      test: labelled(applyPreprocessing(preprocessing, seen, held), held),
      offsets: Float64Array.from(held, (row) => offsets[row] ?? 0),
    }
  })
}

async function predictHeld({ definition, task, classes, train, test, seed }: PeerFit): Promise<Float64Array> {
  const estimator = await estimatorOf(definition.kind)
  const fitted = await estimator.fit({ definition, task, classes, train, seed, onEpoch: () => undefined })
  return fitted.predict(test)
}

function inTableOrder(
  table: TrainingTable,
  fits: readonly FoldFit[],
  predictionsOf: (fit: FoldFit, fold: number) => ArrayLike<number>,
): Float64Array {
  const all = new Float64Array(table.rows)
  fits.forEach((fit, fold) => {
    const predictions = predictionsOf(fit, fold)
    fit.held.forEach((row, i) => {
      all[row] = (predictions[i] ?? NaN) + (fit.offsets[i] ?? 0)
    })
  })
  return all
}

function classesOf(task: ModelTask): number {
  return task === 'regression' ? 1 : 2
}

function meanOf(predictions: readonly Float64Array[]): Float64Array {
  return Float64Array.from(predictions[0] ?? [], (_, row) => mean(predictions.map((one) => one[row] ?? NaN)))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function range(values: readonly number[]): string {
  return `${Math.min(...values).toPrecision(3)}–${Math.max(...values).toPrecision(3)}`
}
