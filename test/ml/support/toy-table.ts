import type { FeatureColumn, TrainingTable } from '../../../ml/datasets/training-table.js'
import { seededRandom } from '../../../ml/training/seeded-random.js'
import type { SplitName } from '../../../schemas/feature-definitions.js'

/** A table of these columns; what is not given: entities by number, no groups, no split, labels 0 and 1 in turn. */
export function tableOf(
  columns: Readonly<Record<string, readonly (number | string | null)[]>>,
  more: {
    readonly labels?: readonly number[]
    readonly groups?: readonly string[]
    readonly splits?: readonly SplitName[]
    readonly classes?: readonly string[]
  } = {},
): TrainingTable {
  const rows = Object.values(columns)[0]?.length ?? more.labels?.length ?? 0
  const each = Array.from({ length: rows }, (_, row) => row)
  return {
    rows,
    entities: each.map((row) => JSON.stringify([`e${row}`])),
    times: BigInt64Array.from(each, (row) => BigInt(row)),
    groups: more.groups ?? each.map(() => ''),
    labels: Float64Array.from(more.labels ?? each.map((row) => row % 2)),
    columns: Object.entries(columns).map(([name, values]) => columnOf(name, values)),
    ...(more.splits !== undefined && { splits: more.splits }),
    ...(more.classes !== undefined && { classes: more.classes }),
  }
}

/** Rows whose label follows from `size`, `noise` and `colour`, in groups `a` to `d`; every tenth size is missing. */
export function randomTable(
  rows: number,
  seed: number,
  more: { readonly splits?: boolean; readonly task?: 'binary' | 'multiclass' | 'regression' } = {},
): TrainingTable {
  const random = seededRandom(seed)
  const each = Array.from({ length: rows }, () => ({
    size: random() * 10,
    noise: random(),
    colour: ['red', 'green', 'blue'][Math.floor(random() * 3)]!,
    chance: random(),
    split: random(),
  }))
  const value = (row: (typeof each)[number]): number =>
    row.size / 5 - 1 + (row.colour === 'red' ? 0.8 : -0.4) + row.chance - 0.5
  const label = {
    binary: (x: number) => Number(x > 0),
    multiclass: (x: number) => (x < -0.4 ? 0 : x < 0.5 ? 1 : 2),
    regression: (x: number) => x,
  }[more.task ?? 'binary']
  return tableOf(
    {
      size: each.map(({ size }, row) => (row % 10 === 3 ? null : size)),
      noise: each.map(({ noise }) => noise),
      colour: each.map(({ colour }) => colour),
    },
    {
      labels: each.map((row) => label(value(row))),
      groups: each.map((_, row) => 'abcd'[row % 4]!),
      ...(more.splits && {
        splits: each.map(({ split }) => (split < 0.6 ? 'train' : split < 0.8 ? 'val' : 'test')),
      }),
      ...(more.task === 'multiclass' && { classes: ['large', 'middle', 'small'] }),
    },
  )
}

/** The table with some values of a column, or some labels, changed. */
export function changed(
  table: TrainingTable,
  name: string,
  change: (value: number | string | null, row: number) => number | string | null,
): TrainingTable {
  if (name === 'labels') {
    return { ...table, labels: table.labels.map((label, row) => change(label, row) as number) }
  }
  const columns = table.columns.map((column): FeatureColumn => {
    if (column.name !== name || column.kind === 'tensor') return column
    return columnOf(
      name,
      Array.from(column.values as Iterable<number | string | null>, (value, row) => change(value, row)),
    )
  })
  return { ...table, columns }
}

export function rowsOf(...rows: readonly number[]): Int32Array {
  return Int32Array.from(rows)
}

function columnOf(name: string, values: readonly (number | string | null)[]): FeatureColumn {
  if (values.some((value) => typeof value === 'string')) {
    return { kind: 'category', name, values: values as readonly (string | null)[] }
  }
  return {
    kind: 'number',
    name,
    values: Float64Array.from(values, (value) => (value as number | null) ?? NaN),
  }
}
