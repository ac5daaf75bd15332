import type { Row, RowValue } from '../../../engine/engine.js'
import type { ResolvedView } from '../../../ml/views/resolved-view.js'

/** The point-in-time join as plain loops over rows in memory, deliberately unlike the join itself. Times are bigint µs. */
export function joinByLoops(of: {
  readonly entityRows: readonly Row[]
  readonly timestampField: string
  readonly views: readonly { readonly view: ResolvedView; readonly rows: readonly Row[] }[]
  readonly features: readonly { readonly view: string; readonly feature: string; readonly column: string }[]
  readonly knownBy: boolean
}): readonly Row[] {
  return of.entityRows.map((entity) => {
    const winners = new Map(
      of.views.map(({ view, rows }) => [
        view.name,
        winner(view, rows, entity, of.timestampField, of.knownBy),
      ]),
    )
    return {
      ...entity,
      ...Object.fromEntries(
        of.features.map(({ view, feature, column }) => [column, winners.get(view)?.[feature] ?? null]),
      ),
    }
  })
}

function winner(
  view: ResolvedView,
  rows: readonly Row[],
  entity: Row,
  timestampField: string,
  knownBy: boolean,
): Row | undefined {
  const at = entity[timestampField]
  if (typeof at !== 'bigint') return undefined
  let best: Row | undefined
  for (const row of rows) {
    const time = row[view.timestampField]
    if (typeof time !== 'bigint' || time > at) continue
    if (view.ttlMs !== undefined && time < at - BigInt(view.ttlMs) * 1000n) continue
    if (view.joinKeys.some((key) => row[key] === null || entity[key] === null || row[key] !== entity[key])) {
      continue
    }
    if (view.createdTimestampField !== undefined && knownBy) {
      const created = row[view.createdTimestampField]
      if (typeof created !== 'bigint' || created > at) continue
    }
    if (best === undefined || compareRows(view, row, best) > 0) best = row
  }
  return best
}

function compareRows(view: ResolvedView, a: Row, b: Row): number {
  const columns = [
    view.timestampField,
    ...(view.createdTimestampField === undefined ? [] : [view.createdTimestampField]),
    ...view.schema.map(({ name }) => name),
  ]
  for (const column of columns) {
    const [left, right] = [a[column] ?? null, b[column] ?? null]
    if (left === null || right === null) {
      if (left !== right) return left === null ? -1 : 1
      continue
    }
    const order = compareValues(left, right)
    if (order !== 0) return order
  }
  return 0
}

/** Inside of lists a null is greatest. */
function compareValues(a: RowValue, b: RowValue): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  if (Array.isArray(a) && Array.isArray(b)) {
    const [left, right] = [a as readonly RowValue[], b as readonly RowValue[]]
    for (let i = 0; i < Math.min(left.length, right.length); i++) {
      const order = compareValues(left[i]!, right[i]!)
      if (order !== 0) return order
    }
    return left.length - right.length
  }
  if (typeof a === 'number' && typeof b === 'number') {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
    if (a === 0 && b === 0) return Number(Object.is(b, -0)) - Number(Object.is(a, -0))
    return Math.sign(Number(a > b) - Number(a < b))
  }
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}
