import type { ModelTask } from '../../schemas/model-definitions.js'
import type { FeatureColumn, TrainingTable } from '../datasets/training-table.js'
import { areaUnderRoc } from './binary-metrics.js'
import { fitSigmoid, sigmoidAt } from './fit-sigmoid.js'
import { meanOf, medianOf, presentValues } from './steps/central-value.js'
import { takeNumbers } from './take-numbers.js'

/** A naive guess that needs no model: fitted on training rows, it gives predictions in the shape of a model's. */
export interface Baseline {
  readonly name: string
  readonly fit: (table: TrainingTable, rows: Int32Array) => Guess
}

/** Predictions of these rows. */
export type Guess = (rows: Int32Array) => Float64Array

type NumberColumn = Extract<FeatureColumn, { kind: 'number' }>
type CategoryColumn = Extract<FeatureColumn, { kind: 'category' }>

/**
 * What every model of this task is measured beside. `alone`: number columns that are a guess by themselves, such as the
 * offset and those for baselines only.
 */
export function baselinesOf(
  task: ModelTask,
  table: TrainingTable,
  alone: readonly string[],
): readonly Baseline[] {
  const categories = table.columns.filter((column) => column.kind === 'category')
  const numbers = table.columns.filter((column) => column.kind === 'number')
  const guesses = numbers.filter(({ name }) => alone.includes(name))
  const classes = task === 'multiclass-classification' ? (table.classes?.length ?? 0) : 1
  const what = { regression: 'mean', 'binary-classification': 'rate', 'multiclass-classification': 'rates' }[
    task
  ]
  const byCategory = categories.map((column): Baseline => ({
    name: `${what} by ${column.name}`,
    fit: (of, rows) => meansByCategory(column, of.labels, { rows, classes }),
  }))
  const overall = (name: string): Baseline => ({
    name,
    fit: (of, rows) => constant(overallMeans(of.labels, rows, classes)),
  })
  switch (task) {
    case 'multiclass-classification':
      return [overall('share of each class'), ...byCategory]
    case 'binary-classification':
      return [
        overall('share of positives'),
        ...byCategory,
        ...(numbers.length > 0 ? [bestSingleFeature(numbers)] : []),
        ...guesses.map((column): Baseline => ({
          name: `${column.name} alone`,
          fit: (of, rows) => fitOne(column, of.labels, rows),
        })),
      ]
    case 'regression':
      return [
        overall('mean'),
        { name: 'median', fit: (of, rows) => constant([medianOf(takeNumbers(of.labels, rows))]) },
        ...byCategory,
        ...guesses.map((column): Baseline => ({
          name: `${column.name} alone`,
          fit: (of, rows) => asItIs(column, meanOf(takeNumbers(of.labels, rows))),
        })),
      ]
  }
}

/** Each category's mean is drawn towards the overall one by one imagined row, so a rare one is never 0 or 1. */
function meansByCategory(
  { values }: CategoryColumn,
  labels: Float64Array,
  { rows, classes }: { readonly rows: Int32Array; readonly classes: number },
): Guess {
  const overall = overallMeans(labels, rows, classes)
  const counts = new Map<string | null, { rows: number; readonly sums: number[] }>()
  for (const row of rows) {
    const category = values[row] ?? null
    const count = counts.get(category) ?? { rows: 0, sums: overall.map(() => 0) }
    counts.set(category, count)
    count.rows += 1
    addLabel(count.sums, labels[row] ?? NaN, classes)
  }
  const means = new Map(
    [...counts].map(([category, count]) => [
      category,
      count.sums.map((sum, at) => (sum + (overall[at] ?? 0)) / (count.rows + 1)),
    ]),
  )
  return (asked) => spread(asked, (row) => means.get(values[row] ?? null) ?? overall)
}

/** The number that ranks the training rows best, whichever way round; the first of equal ones. */
function bestSingleFeature(columns: readonly NumberColumn[]): Baseline {
  return {
    name: 'best single feature',
    fit: (table, rows) => {
      const labels = takeNumbers(table.labels, rows)
      const strengths = columns.map((column) => {
        const area = areaUnderRoc(labels, filled(column, rows)(rows)) ?? 0.5
        return { column, strength: Math.abs(area - 0.5) }
      })
      const best = strengths.reduce((most, next) => (next.strength > most.strength ? next : most))
      return fitOne(best.column, table.labels, rows)
    },
  }
}

/** Logistic regression on one number: its order, or the reverse, as probabilities. */
function fitOne(column: NumberColumn, labels: Float64Array, rows: Int32Array): Guess {
  const valuesOf = filled(column, rows)
  const values = valuesOf(rows)
  const mean = meanOf(values)
  const deviation = Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2))) || 1
  const scaled = (asked: Int32Array): Float64Array =>
    valuesOf(asked).map((value) => (value - mean) / deviation)
  const sigmoid = fitSigmoid(scaled(rows), takeNumbers(labels, rows))
  return (asked) => scaled(asked).map((value) => sigmoidAt(sigmoid, value))
}

/** The column's own values; where it has none, what is given. */
function asItIs({ values }: NumberColumn, missing: number): Guess {
  return (asked) => takeNumbers(values, asked).map((value) => (Number.isNaN(value) ? missing : value))
}

function filled(column: NumberColumn, rows: Int32Array): Guess {
  const training = takeNumbers(column.values, rows)
  return asItIs(column, medianOf(presentValues(training)))
}

function constant(values: readonly number[]): Guess {
  return (asked) => spread(asked, () => values)
}

function spread(asked: Int32Array, valuesOf: (row: number) => readonly number[]): Float64Array {
  const all = Array.from(asked, valuesOf)
  return Float64Array.from(all.flat())
}

function overallMeans(labels: Float64Array, rows: Int32Array, classes: number): readonly number[] {
  const sums = Array.from({ length: classes }, () => 0)
  for (const row of rows) addLabel(sums, labels[row] ?? NaN, classes)
  return sums.map((sum) => sum / Math.max(rows.length, 1))
}

function addLabel(sums: number[], label: number, classes: number): void {
  const at = classes === 1 ? 0 : label
  sums[at] = (sums[at] ?? 0) + (classes === 1 ? label : 1)
}
