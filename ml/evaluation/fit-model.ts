import { FirnError } from '../../schemas/error.js'
import type { EstimatorDefinition } from '../../schemas/model-definitions.js'
import type { TrainingPin } from '../../schemas/model-messages.js'
import type { TrainingTable } from '../datasets/training-table.js'
import type { Checkpoints, Estimator, TrainingInputs } from '../models/estimator.js'
import { assembleModel, offsetsOf, type FittedModel } from './fitted-model.js'
import { applyPreprocessing, applyToTraining, fitPreprocessing } from './preprocess.js'
import { takeNumbers } from './take-numbers.js'

export type Settings = TrainingPin['settings']

/** Where a training is. */
export interface TrainingProgress {
  /** `fold <name>` or `model`. */
  readonly phase: string
  readonly epoch: number
  readonly epochs: number
  readonly loss: number
  readonly valLoss?: number
}

/** What all fits of one training share. */
export interface Fitter {
  readonly table: TrainingTable
  readonly definition: EstimatorDefinition
  readonly settings: Settings
  readonly seed: number
  readonly fit: Estimator['fit']
  readonly onProgress: (progress: TrainingProgress) => void
}

/** One fit: preprocessing and estimator from the training rows alone; validation rows only stop it early. */
export async function fitModel(
  fitter: Fitter,
  on: {
    readonly phase: string
    readonly training: Int32Array
    readonly validation?: Int32Array
    readonly checkpoints?: Checkpoints | undefined
  },
): Promise<FittedModel> {
  const { definition, settings, seed, fit, onProgress } = fitter
  const { task, offset } = settings
  const seen = tableOfModel(fitter.table, settings)
  const classes = classNames(seen, settings)
  checkClasses(seen, on, settings)
  const preprocessing = fitPreprocessing(seen, on.training, { definition, task, seed })
  const weightOf = classWeights(seen, on.training, settings)
  const inputs = (rows: Int32Array, part: 'training' | 'validation'): TrainingInputs => ({
    ...(part === 'training' ? applyToTraining : applyPreprocessing)(preprocessing, seen, rows),
    y: takeNumbers(seen.labels, rows),
    ...(weightOf !== undefined && { weights: meanOne(Float64Array.from(rows, weightOf)) }),
  })
  const estimator = await fit({
    task,
    classes: Math.max(classes.length, 1),
    definition,
    train: inputs(on.training, 'training'),
    ...(on.validation !== undefined && { validation: inputs(on.validation, 'validation') }),
    seed,
    onEpoch: (point, epochs) => onProgress({ phase: on.phase, epochs, ...point }),
    ...(on.checkpoints !== undefined && { checkpoints: on.checkpoints }),
  })
  return assembleModel({
    task,
    classes,
    preprocessing,
    estimator,
    ...(offset !== undefined && { offset }),
    ignored: settings.baselineOnly ?? [],
  })
}

/** Names of the label's classes; `0` and `1` of a binary one, none of a regression. */
export function classNames(table: Pick<TrainingTable, 'classes'>, { task }: Settings): readonly string[] {
  if (task === 'regression') return []
  return task === 'binary-classification' ? ['0', '1'] : (table.classes ?? [])
}

/** What the model may see and learn: without the offset and what is for baselines only, labels less the offset. */
function tableOfModel(table: TrainingTable, { offset, baselineOnly = [] }: Settings): TrainingTable {
  const hidden = new Set([...baselineOnly, ...(offset === undefined ? [] : [offset])])
  const columns = table.columns.filter(({ name }) => !hidden.has(name))
  if (offset === undefined) return { ...table, columns }
  const offsets = table.columns.find(({ name }) => name === offset)
  const labels = table.labels.map((label, row) =>
    offsets?.kind === 'number' ? label - (offsets.values[row] ?? NaN) : NaN,
  )
  return { ...table, columns, labels }
}

/** Inverse to how frequent the row's class is among the training rows. */
function classWeights(
  { labels }: TrainingTable,
  training: Int32Array,
  { task, classWeights: wanted }: Settings,
): ((row: number) => number) | undefined {
  if (wanted === undefined || task === 'regression') return undefined
  const counts = new Map<number, number>()
  for (const row of training) counts.set(labels[row] ?? NaN, (counts.get(labels[row] ?? NaN) ?? 0) + 1)
  // A class that only validation rows have weighs as if it had one row.
  return (row) => training.length / (counts.size * (counts.get(labels[row] ?? NaN) ?? 1))
}

function meanOne(weights: Float64Array): Float64Array {
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length
  return weights.map((weight) => weight / mean)
}

function checkClasses(
  { labels }: TrainingTable,
  { phase, training }: { readonly phase: string; readonly training: Int32Array },
  { task }: Settings,
): void {
  const found = new Set(Array.from(training, (row) => labels[row]))
  if (training.length > 0 && (task === 'regression' || found.size > 1)) return
  throw new FirnError(
    'training-failed',
    training.length === 0
      ? `${phase}: there are no training rows. Land data, or correct the split and the label view's maturity.`
      : `${phase}: all ${training.length} training rows have the label ${[...found].join('')}, so there is nothing to tell apart. Train on more data, or hold out less at a time (k-fold).`,
  )
}

/** `invalid-input` where the table has not what the settings ask for. */
export function checkSettings(table: TrainingTable, settings: Settings, rows: Int32Array): void {
  const names = table.columns.map(({ name }) => name)
  const unknown = (settings.baselineOnly ?? []).filter((name) => !names.includes(name))
  if (unknown.length > 0) {
    throw new FirnError(
      'invalid-input',
      `baselineOnly names ${unknown.join(', ')}, but the features are: ${names.join(', ')}. Correct the model or its feature service.`,
    )
  }
  if (settings.offset !== undefined) {
    if (settings.task !== 'regression') {
      throw new FirnError(
        'invalid-input',
        `offset ${settings.offset} is for regressions; the task is ${settings.task}`,
      )
    }
    offsetsOf(table, settings.offset, rows)
  }
  if (settings.calibration !== undefined && settings.task !== 'binary-classification') {
    throw new FirnError(
      'invalid-input',
      `calibration is for binary classifications; the task is ${settings.task}. Leave it out.`,
    )
  }
  const unlabelled = rows.filter((row) => Number.isNaN(table.labels[row] ?? NaN))
  if (unlabelled.length === 0) return
  throw new FirnError(
    'training-failed',
    `${unlabelled.length} of ${rows.length} rows have no label, the first one is ${table.entities[unlabelled[0] ?? 0] ?? ''}. Leave them out of the label view.`,
  )
}
