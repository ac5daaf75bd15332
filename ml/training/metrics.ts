import type { ModelMetrics } from '../../schemas/messages.js'

/** What a list of probabilities is worth beside the true labels (0 or 1). Undefined measures are left out. */
export function measure(labels: readonly number[], scores: readonly number[]): Partial<ModelMetrics> {
  if (labels.length === 0) return {}
  const [auc, f1] = [areaUnderRoc(labels, scores), f1Score(labels, scores)]
  return {
    ...(auc !== undefined && { auc }),
    ...(f1 !== undefined && { f1 }),
    logLoss: logLoss(labels, scores),
  }
}

/** The chance that a positive scores above a negative, ties counted half; undefined where one class is missing. */
export function areaUnderRoc(labels: readonly number[], scores: readonly number[]): number | undefined {
  const order = scores.map((score, row) => ({ score, label: labels[row] ?? 0 }))
  order.sort((a, b) => a.score - b.score)
  const positives = labels.filter((label) => label === 1).length
  const negatives = labels.length - positives
  if (positives === 0 || negatives === 0) return undefined
  let wins = 0
  let negativesBelow = 0
  for (let from = 0; from < order.length;) {
    let end = from
    while (end < order.length && order[end]?.score === order[from]?.score) end += 1
    const tied = order.slice(from, end)
    const tiedPositives = tied.filter(({ label }) => label === 1).length
    const tiedNegatives = tied.length - tiedPositives
    wins += tiedPositives * (negativesBelow + tiedNegatives / 2)
    negativesBelow += tiedNegatives
    from = end
  }
  return wins / (positives * negatives)
}

/** At a threshold of 0.5; undefined where nothing is positive and nothing is said to be. */
export function f1Score(labels: readonly number[], scores: readonly number[]): number | undefined {
  let [hits, mistakes] = [0, 0]
  labels.forEach((label, row) => {
    const said = (scores[row] ?? 0) >= 0.5 ? 1 : 0
    if (said !== label) mistakes += 1
    else if (label === 1) hits += 1
  })
  return hits + mistakes === 0 ? undefined : (2 * hits) / (2 * hits + mistakes)
}

/** Mean of −ln p(true label); probabilities are kept 1e-7 away from 0 and 1, the resolution of 32-bit scores. */
export function logLoss(labels: readonly number[], scores: readonly number[]): number {
  const losses = labels.map((label, row) => {
    const p = Math.min(Math.max(scores[row] ?? 0.5, 1e-7), 1 - 1e-7)
    return -Math.log(label === 1 ? p : 1 - p)
  })
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

/** Means over the folds in which a measure is defined; where it is in none, the measure of all held-out rows together. */
export function meanMetrics(
  folds: readonly Partial<ModelMetrics>[],
  pooled: Partial<ModelMetrics>,
): ModelMetrics {
  const mean = (key: keyof ModelMetrics): number => {
    const values = folds.flatMap((fold) => fold[key] ?? [])
    if (values.length === 0) return pooled[key] ?? 0
    return values.reduce((sum, value) => sum + value, 0) / values.length
  }
  return { auc: mean('auc'), f1: mean('f1'), logLoss: mean('logLoss') }
}
