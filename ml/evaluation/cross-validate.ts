import type { Checkpoints } from '../models/estimator.js'
import { calibrate, fitCalibration } from './calibration.js'
import { fitModel, type Fitter } from './fit-model.js'
import { innerHoldOut, type Fold } from './folds.js'
import type { Phases } from './phases.js'
import { takeNumbers } from './take-numbers.js'

/** What models that had not seen a row say of it. */
export interface HeldOut {
  /** Row indexes of the table, fold after fold. */
  readonly rows: Int32Array
  /** Before calibration; in the shape of a model's. */
  readonly scores: Float64Array
  /** As the model would say it. */
  readonly predictions: Float64Array
}

export interface FoldResult extends HeldOut {
  readonly fold: Fold
}

/**
 * Each fold does what the training itself does, with its own training rows alone: where the training stops early or
 * calibrates by validation rows, the fold does by an inner hold-out; where the training calibrates on the folds, the
 * fold calibrates on the inner hold-out of a fit of its own and is then fitted on all its rows.
 */
export async function crossValidate(
  fitter: Fitter,
  folds: readonly Fold[],
  options: { readonly phases: Phases; readonly hasSplit: boolean },
): Promise<readonly FoldResult[]> {
  const results: FoldResult[] = []
  for (const fold of folds) results.push(await runFold(fitter, fold, options))
  return results
}

/** All held-out rows together. */
export function pooled(results: readonly FoldResult[]): HeldOut {
  const all = (of: (result: FoldResult) => Iterable<number>): number[] =>
    results.flatMap((result) => [...of(result)])
  return {
    rows: Int32Array.from(all(({ rows }) => rows)),
    scores: Float64Array.from(all(({ scores }) => scores)),
    predictions: Float64Array.from(all(({ predictions }) => predictions)),
  }
}

async function runFold(
  fitter: Fitter,
  fold: Fold,
  { phases, hasSplit }: { readonly phases: Phases; readonly hasSplit: boolean },
): Promise<FoldResult> {
  const { table, settings, seed } = fitter
  const { calibration: method, task } = settings
  const phase = `fold ${fold.name}`
  const score = (name: string, rows: FitRows, asked: readonly Int32Array[]): Promise<Float64Array[]> =>
    scoreOnce(fitter, phases, { phase: name, rows, asked })
  const result = (scores: Float64Array, predictions: Float64Array): FoldResult => ({
    fold,
    rows: fold.held,
    scores,
    predictions,
  })
  const byInner = stopsEarly(fitter) || method !== undefined
  if (!byInner) {
    const [scores = new Float64Array()] = await score(phase, { training: fold.training }, [fold.held])
    return result(scores, scores)
  }
  const inner = innerHoldOut(table, fold.training, { task, seed, purpose: fold.name })
  const innerFit = { training: inner.training, ...(stopsEarly(fitter) && { validation: inner.held }) }
  const [innerScores = new Float64Array(), partScores = new Float64Array()] = await score(
    hasSplit ? phase : `calibration of ${phase}`,
    innerFit,
    [inner.held, fold.held],
  )
  const [scores = partScores] = hasSplit
    ? [partScores]
    : await score(phase, { training: fold.training }, [fold.held])
  if (method === undefined) return result(scores, scores)
  const labels = takeNumbers(table.labels, inner.held)
  return result(scores, calibrate(fitCalibration(method, labels, innerScores), scores))
}

interface FitRows {
  readonly training: Int32Array
  readonly validation?: Int32Array
}

/** Fits once, however often the training is killed and goes on; scores of each list of rows. */
async function scoreOnce(
  fitter: Fitter,
  phases: Phases,
  on: { readonly phase: string; readonly rows: FitRows; readonly asked: readonly Int32Array[] },
): Promise<Float64Array[]> {
  const work = async (checkpoints: Checkpoints | undefined): Promise<Float64Array> => {
    const model = await fitModel(fitter, { ...on.rows, phase: on.phase, checkpoints })
    try {
      const rowsAsked = Int32Array.from(on.asked.flatMap((list) => [...list]))
      return await model.predict(fitter.table, rowsAsked)
    } finally {
      model.dispose()
    }
  }
  const all = await phases.once(on.phase, work)
  const rows = on.asked.reduce((sum, list) => sum + list.length, 0)
  const perRow = all.length / Math.max(rows, 1)
  let at = 0
  return on.asked.map(({ length }) => all.subarray(at * perRow, (at += length) * perRow))
}

export function stopsEarly({ definition }: Pick<Fitter, 'definition'>): boolean {
  return 'earlyStopping' in definition
}
