type MulticlassMetric = (labels: Float64Array, probabilities: Float64Array, classes: number) => number

/** Labels are class indexes; probabilities row-major [rows, classes]. */
export const MULTICLASS_METRICS: Readonly<Record<string, MulticlassMetric>> = {
  accuracy: (labels, probabilities, classes) => {
    const said = likeliestClasses(probabilities, classes)
    return said.reduce((hits, of, row) => hits + (of === labels[row] ? 1 : 0), 0) / labels.length
  },
  f1_macro: macroF1,
  log_loss: (labels, probabilities, classes) => {
    const losses = labels.map((label, row) => {
      const p = probabilities[row * classes + label] ?? 0
      return -Math.log(Math.min(Math.max(p, Number.EPSILON), 1 - Number.EPSILON))
    })
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
  },
}

/** [rows]: index of the largest probability, the first of equal ones. */
export function likeliestClasses(probabilities: Float64Array, classes: number): Int32Array {
  return Int32Array.from({ length: probabilities.length / classes }, (_, row) => {
    const own = probabilities.subarray(row * classes, (row + 1) * classes)
    return own.reduce((best, p, at) => (p > (own[best] ?? 0) ? at : best), 0)
  })
}

/** Mean of F1 over the classes that are among the labels or the predictions. */
function macroF1(labels: Float64Array, probabilities: Float64Array, classes: number): number {
  const counts = Array.from({ length: classes }, () => ({ hits: 0, labelled: 0, said: 0 }))
  likeliestClasses(probabilities, classes).forEach((said, row) => {
    const [label, predicted] = [counts[labels[row] ?? 0], counts[said]]
    if (label === undefined || predicted === undefined) return
    label.labelled += 1
    predicted.said += 1
    if (label === predicted) label.hits += 1
  })
  const present = counts.filter(({ labelled, said }) => labelled + said > 0)
  return (
    present.reduce((sum, { hits, labelled, said }) => sum + (2 * hits) / (labelled + said), 0) /
    present.length
  )
}
