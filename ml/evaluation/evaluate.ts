import { FirnError } from '../../schemas/error.js'
import type { SplitName } from '../../schemas/feature-definitions.js'
import type { FoldMetrics, LearningPoint, Metrics } from '../../schemas/model-messages.js'
import type { TrainingTable } from '../datasets/training-table.js'
import type { Checkpoints } from '../models/estimator.js'
import { baselinesOf, type Baseline } from './baselines.js'
import { fitCalibration } from './calibration.js'
import { crossValidate, pooled, stopsEarly, type FoldResult, type HeldOut } from './cross-validate.js'
import { checkSettings, classNames, fitModel, type Fitter } from './fit-model.js'
import { allRows, assembleModel, type FittedModel } from './fitted-model.js'
import { foldsOf, type Fold } from './folds.js'
import { isBetter, measure, prefixed, primaryMetric } from './metrics.js'
import { openPhases, type Phases } from './phases.js'
import { plotsOf, thinned, type Plots } from './plots.js'
import { tableDigest } from './table-digest.js'
import { takeNumbers } from './take-numbers.js'

export interface EvaluateOptions extends Fitter {
  /** Absent: nothing is kept, a killed training starts anew. */
  readonly checkpoints?: Checkpoints
}

export interface Evaluation {
  readonly model: FittedModel
  /** `train/…`, `val/…`, `test/…`, `cv_…_mean`, `cv_…_std`, `cv_…_undefined` where it is not 0. */
  readonly metrics: Metrics
  /** Of the best naive guess, under the same keys. */
  readonly baseline: Metrics
  readonly baselineName: string
  readonly baselines: Readonly<Record<string, Metrics>>
  readonly folds: readonly FoldMetrics[]
  /** At most 200 points. */
  readonly curve: readonly LearningPoint[]
  /** By what was measured: a split, or `cv` for all held-out rows of the folds together. */
  readonly plots: Readonly<Record<string, Plots>>
  /** Of the folds, where there are any. */
  readonly heldOut?: HeldOut
}

/** Rows by their part in the training. */
interface Parts {
  readonly train: Int32Array
  readonly val?: Int32Array
  readonly test?: Int32Array
}

const CURVE_POINTS_MAX = 200

/**
 * Trains a model and says what it is worth. With a split it is fitted on `train`, stopped and calibrated by `val`, and
 * `test` is only measured: not even cross-validation sees it. Without, all rows train, and cross-validation tells how it
 * does on rows that it has not seen. Equal inputs give equal bytes.
 */
export async function trainAndEvaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { table, definition, settings, seed } = options
  const hasSplit = table.splits !== undefined
  const parts = partsOf(table)
  checkSettings(table, settings, allRows(table.rows))
  checkParts(options, parts)
  const phases = openPhases(options.checkpoints, () => ({
    ...{ definition, settings, seed },
    table: tableDigest(table),
  }))
  const folds = foldsFor(options, parts)
  const results = await crossValidate(options, folds, { phases, hasSplit })
  const model = await fitFinal(options, { parts, phases, heldOut: pooled(results) })
  const measured = await measureModel(options, { model, parts, results })
  const guesses = measureBaselines(options, { parts, folds })
  const best = bestOf(guesses, settings.task, [...(hasSplit ? ['test/', 'val/'] : []), 'cv', 'train/'])
  const metrics = { ...measured.metrics, ...meanOverFolds(measured.folds) }
  return {
    model,
    metrics,
    baseline: best.metrics,
    baselineName: best.name,
    baselines: Object.fromEntries(guesses.map((guess) => [guess.name, guess.metrics])),
    folds: folds.map((fold, at) => ({
      fold: fold.name,
      rows: fold.held.length,
      metrics: measured.folds[at] ?? {},
      baseline: best.folds[at] ?? {},
    })),
    curve: thinned(model.curve, CURVE_POINTS_MAX),
    plots: measured.plots,
    ...(results.length > 0 && { heldOut: pooled(results) }),
  }
}

/** Name of a cross-validated metric; ROC AUC goes by its short name there, as its users know it. */
export function foldMetric(metric: string, of: 'mean' | 'std' | 'undefined'): string {
  return `cv_${metric === 'roc_auc' ? 'auc' : metric}_${of}`
}

/** Mean and deviation (of the population) over the folds in which a metric is defined, and in how many it is not. */
export function meanOverFolds(folds: readonly Metrics[]): Metrics {
  const names = [...new Set(folds.flatMap((fold) => Object.keys(fold)))]
  return Object.fromEntries(
    names.flatMap((name): readonly (readonly [string, number])[] => {
      const values = folds.flatMap((fold) => fold[name] ?? [])
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
      const undefinedIn = folds.length - values.length
      return [
        [foldMetric(name, 'mean'), mean],
        [foldMetric(name, 'std'), Math.sqrt(variance)],
        ...(undefinedIn > 0 ? [[foldMetric(name, 'undefined'), undefinedIn] as const] : []),
      ]
    }),
  )
}

function partsOf(table: TrainingTable): Parts {
  const { splits } = table
  if (splits === undefined) return { train: allRows(table.rows) }
  const rowsIn = (split: SplitName): Int32Array => allRows(table.rows).filter((row) => splits[row] === split)
  return { train: rowsIn('train'), val: rowsIn('val'), test: rowsIn('test') }
}

function checkParts(fitter: Fitter, { val }: Parts): void {
  const { calibration, validation } = fitter.settings
  const needs = [
    ...(stopsEarly(fitter) ? ['earlyStopping'] : []),
    ...(calibration !== undefined ? [`calibration "${calibration}"`] : []),
  ]
  if (val !== undefined && val.length === 0 && needs.length > 0) {
    throw new FirnError(
      'training-failed',
      `${needs.join(' and ')} needs rows in the split val, which has none. Give the split a share for val, or leave it out.`,
    )
  }
  if (val === undefined && stopsEarly(fitter)) {
    throw new FirnError(
      'invalid-input',
      `the estimator of kind ${fitter.definition.kind} has earlyStopping, which needs a split: without one all rows train and none is left to stop by. Give the model a split, or say how long it trains.`,
    )
  }
  if (val === undefined && calibration !== undefined && validation === undefined) {
    throw new FirnError(
      'invalid-input',
      `calibration "${calibration}" needs rows that the model has not seen. Give the model a split, or a validation by folds.`,
    )
  }
}

function foldsFor({ table, settings, seed }: Fitter, { train, val }: Parts): readonly Fold[] {
  const { validation, task } = settings
  if (validation === undefined) return []
  const seen = new Set([...train, ...(val ?? [])])
  const rows = allRows(table.rows).filter((row) => seen.has(row))
  return foldsOf(table, rows, { validation, task, seed })
}

/** The model itself; calibrated on `val`, without a split on what the folds' models said of their held-out rows. */
async function fitFinal(
  fitter: Fitter,
  on: { readonly parts: Parts; readonly phases: Phases; readonly heldOut: HeldOut },
): Promise<FittedModel> {
  const { train, val } = on.parts
  const phase = 'model'
  const model = await fitModel(fitter, {
    phase,
    training: train,
    ...(val !== undefined && val.length > 0 && { validation: val }),
    checkpoints: on.phases.of(phase),
  })
  const method = fitter.settings.calibration
  if (method === undefined) return model
  const rows = val ?? on.heldOut.rows
  const scores = val === undefined ? on.heldOut.scores : await model.predict(fitter.table, val)
  const calibration = fitCalibration(method, takeNumbers(fitter.table.labels, rows), scores)
  return assembleModel({ ...model.parts, calibration })
}

interface Measured {
  readonly metrics: Metrics
  readonly folds: readonly Metrics[]
  readonly plots: Readonly<Record<string, Plots>>
}

async function measureModel(
  { table, settings }: Fitter,
  of: { readonly model: FittedModel; readonly parts: Parts; readonly results: readonly FoldResult[] },
): Promise<Measured> {
  const classes = classNames(table, settings)
  const worth = (rows: Int32Array, predictions: Float64Array): Metrics =>
    measure(settings.task, takeNumbers(table.labels, rows), predictions, classes.length)
  const plot = (rows: Int32Array, predictions: Float64Array): Plots =>
    plotsOf(settings.task, {
      labels: takeNumbers(table.labels, rows),
      predictions,
      groups: Array.from(rows, (row) => table.groups[row] ?? ''),
      classes,
    })
  let metrics: Metrics = {}
  const plots: Record<string, Plots> = {}
  for (const [split, rows] of Object.entries(of.parts) as [SplitName, Int32Array][]) {
    const predictions = await of.model.predict(table, rows)
    metrics = { ...metrics, ...prefixed(split, worth(rows, predictions)) }
    plots[split] = plot(rows, predictions)
  }
  const heldOut = pooled(of.results)
  if (heldOut.rows.length > 0) plots['cv'] = plot(heldOut.rows, heldOut.predictions)
  return { metrics, folds: of.results.map(({ rows, predictions }) => worth(rows, predictions)), plots }
}

interface MeasuredGuess {
  readonly name: string
  readonly metrics: Metrics
  readonly folds: readonly Metrics[]
}

/** Guesses are fitted on the rows that the model is fitted on, in each fold too. */
function measureBaselines(
  { table, settings }: Fitter,
  on: { readonly parts: Parts; readonly folds: readonly Fold[] },
): readonly MeasuredGuess[] {
  const { task, offset, baselineOnly = [] } = settings
  const classes = classNames(table, settings).length
  const worth = (fit: Baseline['fit'], training: Int32Array, asked: readonly Int32Array[]): Metrics[] => {
    const guess = fit(table, training)
    return asked.map((rows) => measure(task, takeNumbers(table.labels, rows), guess(rows), classes))
  }
  const alone = [...(offset === undefined ? [] : [offset]), ...baselineOnly]
  return baselinesOf(task, table, alone).map(({ name, fit }) => {
    const splits = Object.entries(on.parts) as [SplitName, Int32Array][]
    const ofSplits = worth(
      fit,
      on.parts.train,
      splits.map(([, rows]) => rows),
    )
    const folds = on.folds.flatMap(({ training, held }) => worth(fit, training, [held]))
    const named = splits.map(([split], at) => prefixed(split, ofSplits[at] ?? {}))
    const metrics = [...named, meanOverFolds(folds)].reduce((all, own) => ({ ...all, ...own }), {})
    return { name, metrics, folds }
  })
}

/**
 * The best guess by the task's metric on the rows that the model is measured on: chosen with the answers known, which
 * favours the guess.
 */
function bestOf(
  guesses: readonly MeasuredGuess[],
  task: Fitter['settings']['task'],
  measuredOn: readonly string[],
): MeasuredGuess {
  const metric = primaryMetric(task)
  const keys = measuredOn.map((on) => (on === 'cv' ? foldMetric(metric, 'mean') : `${on}${metric}`))
  const key = keys.find((name) => guesses.some(({ metrics }) => metrics[name] !== undefined))
  const [first = { name: 'none', metrics: {}, folds: [] }, ...others] = guesses
  if (key === undefined) return first
  return others.reduce(
    (best, next) => (isBetter(metric, next.metrics[key], best.metrics[key]) ? next : best),
    first,
  )
}
