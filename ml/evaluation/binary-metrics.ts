import { rankRows } from './rank-rows.js'

type BinaryMetric = (labels: Float64Array, scores: Float64Array) => number | undefined

/** Said to be positive from here on. */
export const THRESHOLD = 0.5

/** Labels are 0 or 1, scores probabilities of 1. */
export const BINARY_METRICS: Readonly<Record<string, BinaryMetric>> = {
  accuracy: (labels, scores) => {
    const { hits, quiet } = countAnswers(labels, scores)
    return (hits + quiet) / labels.length
  },
  precision: (labels, scores) => {
    const { hits, alarms } = countAnswers(labels, scores)
    return ratio(hits, hits + alarms)
  },
  recall: (labels, scores) => {
    const { hits, misses } = countAnswers(labels, scores)
    return ratio(hits, hits + misses)
  },
  f1: (labels, scores) => {
    const { hits, alarms, misses } = countAnswers(labels, scores)
    return ratio(2 * hits, 2 * hits + alarms + misses)
  },
  roc_auc: areaUnderRoc,
  pr_auc: averagePrecision,
  log_loss: logLoss,
  brier: (labels, scores) =>
    scores.reduce((sum, score, row) => sum + (score - (labels[row] ?? 0)) ** 2, 0) / labels.length,
}

export interface Answers {
  /** True positives. */
  readonly hits: number
  /** False positives. */
  readonly alarms: number
  /** False negatives. */
  readonly misses: number
  /** True negatives. */
  readonly quiet: number
}

export function countAnswers(labels: Float64Array, scores: Float64Array): Answers {
  const counts = { hits: 0, alarms: 0, misses: 0, quiet: 0 }
  scores.forEach((score, row) => {
    if (labels[row] === 1) counts[score >= THRESHOLD ? 'hits' : 'misses'] += 1
    else counts[score >= THRESHOLD ? 'alarms' : 'quiet'] += 1
  })
  return counts
}

/** The chance that a positive scores above a negative, ties counted half; undefined where one class is missing. */
export function areaUnderRoc(labels: Float64Array, scores: Float64Array): number | undefined {
  let [wins, positives, negatives] = [0, 0, 0]
  for (const tie of rankRows(labels, scores)) {
    wins += tie.negatives * (positives + tie.positives / 2)
    positives += tie.positives
    negatives += tie.negatives
  }
  return ratio(wins, positives * negatives)
}

/** Average precision: precision at each score, weighed by the recall won there; undefined without positives. */
function averagePrecision(labels: Float64Array, scores: Float64Array): number | undefined {
  let [sum, positives, rows] = [0, 0, 0]
  for (const tie of rankRows(labels, scores)) {
    positives += tie.positives
    rows += tie.positives + tie.negatives
    sum += tie.positives * (positives / rows)
  }
  return ratio(sum, positives)
}

/** Mean of −ln p(true label); probabilities are kept 2^-52 away from 0 and 1, as scikit-learn does. */
function logLoss(labels: Float64Array, scores: Float64Array): number {
  const losses = scores.map((score, row) => {
    const p = Math.min(Math.max(score, Number.EPSILON), 1 - Number.EPSILON)
    return -Math.log(labels[row] === 1 ? p : 1 - p)
  })
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

function ratio(part: number, whole: number): number | undefined {
  return whole === 0 ? undefined : part / whole
}
