type RegressionMetric = (labels: Float64Array, values: Float64Array) => number | undefined

export const REGRESSION_METRICS: Readonly<Record<string, RegressionMetric>> = {
  mae: (labels, values) => meanOver(labels, (label, row) => Math.abs(label - (values[row] ?? NaN))),
  rmse: (labels, values) => Math.sqrt(meanSquare(labels, values)),
  r2: (labels, values) => {
    const mean = meanOver(labels, (label) => label)
    const spread = meanOver(labels, (label) => (label - mean) ** 2)
    // Labels that are all the same have no spread to explain.
    return labels.every((label) => label === labels[0]) ? undefined : 1 - meanSquare(labels, values) / spread
  },
}

function meanSquare(labels: Float64Array, values: Float64Array): number {
  return meanOver(labels, (label, row) => (label - (values[row] ?? NaN)) ** 2)
}

function meanOver(labels: Float64Array, term: (label: number, row: number) => number): number {
  return labels.reduce((sum, label, row) => sum + term(label, row), 0) / labels.length
}
