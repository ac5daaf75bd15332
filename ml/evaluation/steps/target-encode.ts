import { FirnError } from '../../../schemas/error.js'
import type { PreprocessingStep } from '../../../schemas/model-definitions.js'
import { seededRandom, shuffled } from '../../training/seeded-random.js'
import { derivedSeed } from '../derived-seed.js'
import {
  byName,
  categoriesOf,
  chosenColumns,
  mapColumns,
  type Fitting,
  type Frame,
  type FrameColumn,
} from './frame.js'

/**
 * The mean of what is learnt (for many classes: the share of each) by category, drawn towards the overall mean by
 * `smoothing` imagined rows. Null is a category of its own; one never seen gets the overall mean.
 */
export interface TargetEncodeParameters {
  readonly folds: number
  readonly smoothing: number
  /** Of the folds. */
  readonly seed: number
  /** Of a multiclass label; else one column `target(<name>)`. */
  readonly classes: readonly string[]
  readonly trainingRows: number
  /** By target. */
  readonly overall: readonly number[]
  readonly columns: readonly {
    readonly name: string
    /** In the order of their first training row; means by target. */
    readonly categories: readonly (readonly [string | null, readonly number[]])[]
  }[]
}

type Encoding = ReadonlyMap<string | null, readonly number[]>

export function fitTargetEncode(
  step: Extract<PreprocessingStep, { step: 'target-encode' }>,
  { frame, labels, classes, seed }: Fitting,
): TargetEncodeParameters {
  const smoothing = step.smoothing ?? 10
  const wholes = [everyRow(frame.rows)]
  const names = chosenColumns(frame, step, ['category'])
  const folds = step.folds ?? 5
  if (!Number.isInteger(folds) || folds < 2 || !(smoothing >= 0)) {
    throw new FirnError(
      'invalid-input',
      `target-encode has folds ${folds} and smoothing ${smoothing}: it takes at least 2 folds, else a row's own label would be its feature, and a smoothing of at least 0`,
    )
  }
  if (names.length > 0 && frame.rows < 2) {
    throw new FirnError(
      'training-failed',
      `target-encode needs at least two training rows, there are ${frame.rows}. Add rows, or use one-hot.`,
    )
  }
  return {
    folds: Math.min(folds, Math.max(frame.rows, 2)),
    smoothing,
    seed: derivedSeed(seed, 'target-encode'),
    classes,
    trainingRows: frame.rows,
    overall: overallMeans(labels, classes, wholes),
    columns: names.map((name) => ({
      name,
      categories: [...encode(categoriesOf(frame, name), labels, { classes, smoothing, parts: wholes })],
    })),
  }
}

/** Rows to predict: by all training rows. */
export function applyTargetEncode(
  { columns, classes, overall }: TargetEncodeParameters,
  frame: Frame,
): Frame {
  return mapColumns(frame, byName(columns), ({ name }, { categories }) => {
    const encoding: Encoding = new Map(categories)
    const rows = categoriesOf(frame, name).map((category) => encoding.get(category) ?? overall)
    return encodedColumns(name, classes, rows)
  })
}

/** Training rows: each by the rows of the other folds, so that no row's own label is in its feature. */
export function applyOutOfFold(
  { columns, classes, folds, smoothing, seed, trainingRows }: TargetEncodeParameters,
  frame: Frame,
  labels: Float64Array,
): Frame {
  if (frame.rows !== trainingRows) {
    throw new FirnError(
      'contract-broken',
      `target-encode was fitted on ${trainingRows} training rows, not on these ${frame.rows}`,
    )
  }
  const parts: number[][] = Array.from({ length: folds }, () => [])
  shuffled(frame.rows, seededRandom(seed)).forEach((row, at) => parts[at % folds]?.push(row))
  return mapColumns(frame, byName(columns), ({ name }) => {
    const values = categoriesOf(frame, name)
    const rows: (readonly number[])[] = Array.from({ length: frame.rows }, () => [])
    parts.forEach((own, fold) => {
      const others = parts.filter((_, other) => other !== fold)
      const encoding = encode(values, labels, { classes, smoothing, parts: others })
      const overall = overallMeans(labels, classes, others)
      for (const row of own) rows[row] = encoding.get(values[row] ?? null) ?? overall
    })
    return encodedColumns(name, classes, rows)
  })
}

/** Sums run over the parts' rows alone: taking a fold's sum from the whole would leave its rounding behind. */
function encode(
  values: readonly (string | null)[],
  labels: Float64Array,
  options: {
    readonly classes: readonly string[]
    readonly smoothing: number
    readonly parts: readonly (readonly number[])[]
  },
): Encoding {
  const { classes, smoothing, parts } = options
  const overall = overallMeans(labels, classes, parts)
  const counts = new Map<string | null, { rows: number; readonly sums: number[] }>()
  for (const row of parts.flat()) {
    const category = values[row] ?? null
    const count = counts.get(category) ?? { rows: 0, sums: overall.map(() => 0) }
    counts.set(category, count)
    count.rows += 1
    addTarget(count.sums, labels[row] ?? NaN, classes)
  }
  return new Map(
    [...counts].map(([category, { rows, sums }]) => [
      category,
      sums.map((sum, target) => 0 + (sum + smoothing * (overall[target] ?? 0)) / (rows + smoothing)),
    ]),
  )
}

function overallMeans(
  labels: Float64Array,
  classes: readonly string[],
  parts: readonly (readonly number[])[],
): readonly number[] {
  const sums = Array.from({ length: Math.max(classes.length, 1) }, () => 0)
  let rows = 0
  for (const row of parts.flat()) {
    rows += 1
    addTarget(sums, labels[row] ?? NaN, classes)
  }
  return sums.map((sum) => 0 + sum / Math.max(rows, 1))
}

function addTarget(sums: number[], label: number, classes: readonly string[]): void {
  if (classes.length === 0) sums[0] = (sums[0] ?? 0) + label
  else sums[label] = (sums[label] ?? 0) + 1
}

function encodedColumns(
  name: string,
  classes: readonly string[],
  rows: readonly (readonly number[])[],
): readonly FrameColumn[] {
  const names = classes.length === 0 ? [`target(${name})`] : classes.map((of) => `target(${name})=${of}`)
  return names.map((made, target) => ({
    kind: 'number',
    name: made,
    values: Float64Array.from(rows, (means) => means[target] ?? NaN),
  }))
}

function everyRow(rows: number): readonly number[] {
  return Array.from({ length: rows }, (_, row) => row)
}
