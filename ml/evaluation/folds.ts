import { FirnError } from '../../schemas/error.js'
import type { ModelDefinition, ModelTask } from '../../schemas/model-definitions.js'
import type { TrainingTable } from '../datasets/training-table.js'
import { seededRandom, shuffled } from '../training/seeded-random.js'
import { derivedSeed } from './derived-seed.js'

/** Rows that one fit learns from, and rows that it is then measured on. */
export interface Fold {
  readonly name: string
  readonly training: Int32Array
  readonly held: Int32Array
}

export type Validation = NonNullable<ModelDefinition['validation']>

type Rows = Pick<TrainingTable, 'entities' | 'groups' | 'labels'>

/** More fits than this are days of training rather than a measurement. */
const FITS_MAX = 500

/** Every one of these rows is held out once; both parts keep the order of the rows. */
export function foldsOf(
  table: Rows,
  rows: Int32Array,
  options: { readonly validation: Validation; readonly task: ModelTask; readonly seed: number },
): readonly Fold[] {
  const { validation, task, seed } = options
  if (validation.kind === 'leave-one-group-out') return leaveOneGroupOut(table, rows)
  const { folds } = validation
  if (!Number.isInteger(folds) || folds < 2 || folds > Math.min(rows.length, FITS_MAX)) {
    throw new FirnError(
      'invalid-input',
      `${folds} folds over ${rows.length} rows: k-fold takes at least 2, and at most as many as there are rows or ${FITS_MAX}. Correct the model's validation.`,
    )
  }
  const foldOf = dealRows(table, rows, {
    folds,
    stratified: task !== 'regression',
    seed: derivedSeed(seed, 'folds'),
  })
  return Array.from({ length: folds }, (_, fold) => ({
    name: `fold ${fold + 1}`,
    training: rows.filter((_row, at) => foldOf[at] !== fold),
    held: rows.filter((_row, at) => foldOf[at] === fold),
  })).filter(({ held }) => held.length > 0)
}

/**
 * About a fifth of the rows (of each class, where there are two of it at least one), drawn row by row: held out of a
 * fold's fit to stop it early and to calibrate it.
 */
export function innerHoldOut(
  { labels }: Rows,
  rows: Int32Array,
  options: { readonly task: ModelTask; readonly seed: number; readonly purpose: string },
): { readonly training: Int32Array; readonly held: Int32Array } {
  const random = seededRandom(derivedSeed(options.seed, 'inner hold-out', options.purpose))
  const strata = new Map<number, number[]>()
  for (const at of shuffled(rows.length, random)) {
    const stratum = options.task === 'regression' ? 0 : (labels[rows[at] ?? 0] ?? 0)
    const own = strata.get(stratum)
    if (own === undefined) strata.set(stratum, [at])
    else own.push(at)
  }
  const held = new Set(
    [...strata.values()].flatMap((own) =>
      own.length < 2 ? [] : own.slice(0, Math.max(1, Math.round(own.length / 5))),
    ),
  )
  return {
    training: rows.filter((_row, at) => !held.has(at)),
    held: rows.filter((_row, at) => held.has(at)),
  }
}

function leaveOneGroupOut({ groups }: Rows, rows: Int32Array): readonly Fold[] {
  const names = [...new Set(Array.from(rows, (row) => groups[row] ?? ''))].sort()
  if (names.length < 2) {
    throw new FirnError(
      'training-failed',
      `all ${rows.length} rows are of the group "${names[0] ?? ''}": one group is held out at a time, so at least two are needed. Land data of more groups, or name another group column in the label view.`,
    )
  }
  if (names.length > FITS_MAX) {
    throw new FirnError(
      'training-failed',
      `leave-one-group-out would train ${names.length} models, one a group; ${FITS_MAX} is the most. Use k-fold, which holds out many groups at a time.`,
    )
  }
  return names.map((name) => ({
    name,
    training: rows.filter((row) => groups[row] !== name),
    held: rows.filter((row) => groups[row] === name),
  }))
}

/**
 * [rows]: the fold of each. What must not lie in two folds (rows of one group, where there is none of one entity) is
 * dealt together, large ones first, to the fold with the fewest rows; where that is single rows, class by class.
 */
function dealRows(
  table: Rows,
  rows: Int32Array,
  options: {
    readonly folds: number
    readonly stratified: boolean
    readonly seed: number
  },
): Int32Array {
  const units = new Map<string, number[]>()
  rows.forEach((row, at) => {
    const unit = table.groups[row] || (table.entities[row] ?? '')
    const own = units.get(unit)
    if (own === undefined) units.set(unit, [at])
    else own.push(at)
  })
  const inOrder = [...units.values()]
  const random = seededRandom(options.seed)
  const drawn = shuffled(inOrder.length, random).flatMap((at) => [inOrder[at] ?? []])
  const single = inOrder.length === rows.length
  const labelOf = ([at = 0]: readonly number[]): number => table.labels[rows[at] ?? 0] ?? 0
  // Sorting is stable: among equals the drawn order stays.
  if (!single) drawn.sort((a, b) => b.length - a.length)
  else if (options.stratified) drawn.sort((a, b) => labelOf(a) - labelOf(b))
  const foldOf = new Int32Array(rows.length)
  const sizes = new Int32Array(options.folds)
  for (const unit of drawn) {
    const fold = sizes.indexOf(Math.min(...sizes))
    sizes[fold] = (sizes[fold] ?? 0) + unit.length
    for (const at of unit) foldOf[at] = fold
  }
  return foldOf
}
