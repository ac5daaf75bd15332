import type { ModelTask } from '../../schemas/model-definitions.js'
import type { Metrics } from '../../schemas/model-messages.js'
import { areaUnderRoc, countAnswers } from './binary-metrics.js'
import { measure } from './metrics.js'
import { likeliestClasses } from './multiclass-metrics.js'
import { rankRows } from './rank-rows.js'
import { takeNumbers } from './take-numbers.js'

/** Pictures of how good predictions are, as data. */
export interface Plots {
  /** From (0, 0) to (1, 1), at most 201 points; of a binary classification with both classes. */
  readonly rocCurve?: readonly RocPoint[]
  /** Ten bins of equal width; empty ones are left out. Of a binary classification. */
  readonly calibrationCurve?: readonly CalibrationBin[]
  readonly confusionMatrix?: ConfusionMatrix
  /** The largest groups, at most 200, by name; absent where rows have none. */
  readonly groups?: readonly GroupMetrics[]
}

export interface RocPoint {
  readonly falsePositiveRate: number
  readonly truePositiveRate: number
  /** Scores from here on are said to be positive; null: none is. */
  readonly threshold: number | null
}

export interface CalibrationBin {
  /** Inclusive; `to` is exclusive but for 1. */
  readonly from: number
  readonly to: number
  readonly rows: number
  readonly meanPrediction: number
  readonly shareOfPositives: number
}

export interface ConfusionMatrix {
  readonly classes: readonly string[]
  /** [true class][predicted class] */
  readonly counts: readonly (readonly number[])[]
}

export interface GroupMetrics {
  readonly group: string
  readonly rows: number
  readonly metrics: Metrics
}

export interface Predicted {
  readonly labels: Float64Array
  readonly predictions: Float64Array
  readonly groups: readonly string[]
  /** Names in their order; `0` and `1` of a binary classification, none of a regression. */
  readonly classes: readonly string[]
}

const ROC_POINTS_MAX = 201
const GROUPS_MAX = 200
const CALIBRATION_BINS = 10

export function plotsOf(task: ModelTask, predicted: Predicted): Plots {
  const groups = measureGroups(task, predicted)
  const { labels, predictions, classes } = predicted
  const byGroup = groups.length > 0 ? { groups } : {}
  if (task === 'regression' || labels.length === 0) return byGroup
  if (task === 'multiclass-classification') {
    return { confusionMatrix: manyClasses(labels, predictions, classes), ...byGroup }
  }
  const { hits, alarms, misses, quiet } = countAnswers(labels, predictions)
  return {
    ...(areaUnderRoc(labels, predictions) !== undefined && { rocCurve: rocCurve(labels, predictions) }),
    calibrationCurve: calibrationCurve(labels, predictions),
    confusionMatrix: {
      classes,
      counts: [
        [quiet, alarms],
        [misses, hits],
      ],
    },
    ...byGroup,
  }
}

export function rocCurve(labels: Float64Array, scores: Float64Array): readonly RocPoint[] {
  const ties = rankRows(labels, scores)
  const positives = ties.reduce((sum, tie) => sum + tie.positives, 0)
  const negatives = ties.reduce((sum, tie) => sum + tie.negatives, 0)
  let [hits, alarms] = [0, 0]
  const points: RocPoint[] = [{ falsePositiveRate: 0, truePositiveRate: 0, threshold: null }]
  for (const tie of ties) {
    hits += tie.positives
    alarms += tie.negatives
    points.push({
      falsePositiveRate: alarms / negatives,
      truePositiveRate: hits / positives,
      threshold: tie.score,
    })
  }
  return thinned(points, ROC_POINTS_MAX)
}

export function calibrationCurve(labels: Float64Array, scores: Float64Array): readonly CalibrationBin[] {
  const sums = Array.from({ length: CALIBRATION_BINS }, () => ({ rows: 0, scores: 0, positives: 0 }))
  scores.forEach((score, row) => {
    const bin = sums[Math.min(Math.max(Math.floor(score * CALIBRATION_BINS), 0), CALIBRATION_BINS - 1)]
    if (bin === undefined) return
    bin.rows += 1
    bin.scores += score
    bin.positives += labels[row] ?? 0
  })
  return sums.flatMap((bin, at) => {
    if (bin.rows === 0) return []
    return {
      from: at / CALIBRATION_BINS,
      to: (at + 1) / CALIBRATION_BINS,
      rows: bin.rows,
      meanPrediction: bin.scores / bin.rows,
      shareOfPositives: bin.positives / bin.rows,
    }
  })
}

/** Metrics of each group's own rows. */
export function measureGroups(task: ModelTask, predicted: Predicted): readonly GroupMetrics[] {
  const { labels, predictions, groups, classes } = predicted
  const rowsOf = new Map<string, number[]>()
  groups.forEach((group, row) => {
    if (group === '') return
    const rows = rowsOf.get(group)
    if (rows === undefined) rowsOf.set(group, [row])
    else rows.push(row)
  })
  const width = task === 'multiclass-classification' ? classes.length : 1
  return [...rowsOf]
    .sort(([a, rowsA], [b, rowsB]) => rowsB.length - rowsA.length || (a < b ? -1 : 1))
    .slice(0, GROUPS_MAX)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, rows]) => {
      const own = takeNumbers(labels, Int32Array.from(rows))
      const scores = new Float64Array(rows.length * width)
      rows.forEach((row, at) => {
        scores.set(predictions.subarray(row * width, (row + 1) * width), at * width)
      })
      return { group, rows: rows.length, metrics: measure(task, own, scores, classes.length) }
    })
}

/** The first, the last, and so many evenly between them. */
export function thinned<Point>(points: readonly Point[], max: number): readonly Point[] {
  if (points.length <= max) return points
  return Array.from({ length: max }, (_, i) => Math.round((i * (points.length - 1)) / (max - 1))).flatMap(
    (at) => points[at] ?? [],
  )
}

function manyClasses(
  labels: Float64Array,
  probabilities: Float64Array,
  classes: readonly string[],
): ConfusionMatrix {
  const counts = classes.map(() => classes.map(() => 0))
  likeliestClasses(probabilities, classes.length).forEach((said, row) => {
    const own = counts[labels[row] ?? 0]
    if (own !== undefined) own[said] = (own[said] ?? 0) + 1
  })
  return { classes, counts }
}
