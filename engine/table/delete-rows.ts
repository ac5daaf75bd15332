import type { DataFile } from '../../iceberg/spec/data-file.js'
import { rowsOf } from '../../iceberg/spec/rows-of.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { IsolationLevel } from '../../iceberg/write/table-change.js'
import { IcebergError } from '../../iceberg/error.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import { PLACE } from '../row-place.js'
import type { Basis, ComputedChange } from './compute-change.js'
import { planCondition } from './condition-sql.js'
import { applyDelta, type RowDelta } from './row-delta.js'
import { addSource } from './source-relation.js'
import type { Condition, RowChangeOptions, Source, WriteMode } from './table.js'
import { addTarget, columnList, planTarget, splitWhole } from './target-rows.js'

export async function deleteRows(
  basis: Basis,
  where: Condition,
  options: RowChangeOptions,
): Promise<ComputedChange> {
  const delta = await rowsToDelete(basis, where, options)
  const { change, goneRows } = await applyDelta(basis, delta)
  return { change, rows: { added: 0, updated: 0, deleted: goneRows } }
}

/** Deletes what `where` means and adds the source's rows. */
export async function overwriteRows(
  basis: Basis,
  source: Source,
  options: RowChangeOptions & { readonly where?: Condition },
): Promise<ComputedChange> {
  const delta = await rowsToDelete(basis, options.where ?? alwaysTrue, options)
  const sql = await addSource(await basis.session(), basis.schema, source)
  const fresh = [`SELECT ${columnList(basis.schema)} FROM (\n${sql}\n)`]
  const { change, goneRows, freshRows } = await applyDelta(basis, { ...delta, fresh })
  return { change, rows: { added: freshRows, updated: 0, deleted: goneRows } }
}

/** Deletes what `where` means, and the `whole` files, and adds files that are written already. */
export async function replaceRows(
  basis: Basis,
  where: Condition,
  files: readonly DataFile[],
  options: RowChangeOptions & { readonly whole?: (file: DataFile) => boolean },
): Promise<ComputedChange> {
  const { whole: isWhole = () => false } = options
  const delta = await rowsToDelete(basis, where, options, isWhole)
  const { change, goneRows } = await applyDelta(basis, delta)
  const rows = { added: rowsOf(files), updated: 0, deleted: goneRows }
  return {
    change: change.kind === 'row-delta' ? { ...change, added: [...change.added, ...files] } : change,
    rows,
  }
}

/** How a row change is made: as the caller says, else as the table's properties for its kind do. */
export function changeSettings(
  { properties }: TableMetadata,
  kind: 'delete' | 'update' | 'merge',
  options: RowChangeOptions,
): { readonly mode: WriteMode; readonly isolation: IsolationLevel } {
  const mode = options.mode ?? properties[`write.${kind}.mode`] ?? 'copy-on-write'
  const isolation = options.isolation ?? properties[`write.${kind}.isolation-level`] ?? 'serializable'
  if (mode !== 'copy-on-write' && mode !== 'merge-on-read') {
    throw new IcebergError(
      'invalid-argument',
      `write.${kind}.mode is '${mode}': choose copy-on-write or merge-on-read`,
    )
  }
  if (isolation !== 'serializable' && isolation !== 'snapshot') {
    throw new IcebergError(
      'invalid-argument',
      `write.${kind}.isolation-level is '${isolation}': choose serializable or snapshot`,
    )
  }
  return { mode, isolation }
}

const GONE = '_firn_gone'

async function rowsToDelete(
  basis: Basis,
  where: Condition,
  options: RowChangeOptions,
  isWhole: (file: DataFile) => boolean = () => false,
): Promise<RowDelta> {
  const condition = await planCondition(basis, where)
  const planned = await planTarget(basis, condition.filter)
  const given = planned.filter(({ file }) => isWhole(file))
  const tasks = given.length === 0 ? planned : planned.filter(({ file }) => !isWhole(file))
  const { whole, partial } = condition.isExact
    ? splitWhole(basis.schema, tasks)
    : { whole: [], partial: tasks }
  const base = {
    tasks: partial,
    whole: [...given, ...whole],
    fresh: [],
    filter: condition.filter,
    ...changeSettings(basis.metadata, 'delete', options),
  }
  if (partial.length === 0) return base
  const target = await addTarget(basis, '_firn_target', partial)
  await (
    await basis.session()
  ).addRelation({
    kind: 'query',
    name: GONE,
    sql: `SELECT ${PLACE} FROM ${target} AS target WHERE ${condition.sql}`,
  })
  return { ...base, gone: GONE }
}
