import type { Dataset, LabelledRow } from '../datasets/dataset.js'

/** A guess that needs no model: fitted on training rows, it gives a probability for a row. */
export interface Baseline {
  readonly name: string
  readonly fit: (training: readonly LabelledRow[]) => (row: LabelledRow) => number
}

/** The share of positives for every row, and per categorical feature the share among rows of the same category. */
export function baselinesOf({ categorical }: Pick<Dataset, 'categorical'>): readonly Baseline[] {
  return [
    { name: 'share of positives', fit: (training) => constant(shareOf(training)) },
    ...categorical.map((name, column) => ({
      name: `rate by ${name}`,
      fit: (training: readonly LabelledRow[]) => rateBy(column, training),
    })),
  ]
}

function constant(value: number): () => number {
  return () => value
}

/** Each category's rate is drawn towards the overall share by one imagined row, so a rare one is never 0 or 1. */
function rateBy(column: number, training: readonly LabelledRow[]): (row: LabelledRow) => number {
  const overall = shareOf(training)
  const counts = new Map<string | null, { rows: number; positives: number }>()
  for (const row of training) {
    const category = row.categorical[column] ?? null
    const { rows, positives } = counts.get(category) ?? { rows: 0, positives: 0 }
    counts.set(category, { rows: rows + 1, positives: positives + row.label })
  }
  return (row) => {
    const { rows, positives } = counts.get(row.categorical[column] ?? null) ?? { rows: 0, positives: 0 }
    return (positives + overall) / (rows + 1)
  }
}

function shareOf(rows: readonly LabelledRow[]): number {
  return rows.length === 0 ? 0.5 : rows.filter((row) => row.label === 1).length / rows.length
}
