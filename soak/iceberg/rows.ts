/** A row of a table in a history. Shared keys live in one partition each; every other key is a job's own. */
export interface Row {
  readonly p: number
  readonly key: string
  readonly value: number
}

export const PARTITIONS = 2
/** There from the start. */
export const SHARED_KEYS = ['k0', 'k1', 'k2', 'k3']
/** Added by whoever is first. */
export const LATER_KEYS = ['k4', 'k5']

export function partitionOf(key: string): number {
  return Number(key.slice(1)) % PARTITIONS
}

export type WriteMode = 'copy-on-write' | 'merge-on-read'

/** What a job does to the rows of one table, as a function of the rows that it finds: so a lost update shows. */
export type RowOperation =
  | { readonly kind: 'append'; readonly p: number; readonly key: string }
  | { readonly kind: 'insert-new'; readonly p: number; readonly keys: readonly string[] }
  | { readonly kind: 'overwrite-partition'; readonly p: number; readonly key: string }
  /** Overwrite by filter: whatever is in the partition goes. */
  | { readonly kind: 'replace-where'; readonly p: number; readonly key: string }
  | { readonly kind: 'delete'; readonly keys: readonly string[]; readonly mode: WriteMode }
  | { readonly kind: 'update'; readonly keys: readonly string[]; readonly mode: WriteMode }
  | { readonly kind: 'upsert'; readonly keys: readonly string[]; readonly mode: WriteMode }
  /** As a streaming writer of another engine does it: blindly, by key. */
  | { readonly kind: 'equality-delete'; readonly p: number; readonly keys: readonly string[] }

/** The model: rows after the operation. */
export function applyOperation(operation: RowOperation, rows: readonly Row[]): readonly Row[] {
  switch (operation.kind) {
    case 'append':
      return [...rows, { p: operation.p, key: operation.key, value: 0 }]
    case 'insert-new': {
      const known = new Set(rows.map((row) => row.key))
      const added = operation.keys.filter((key) => !known.has(key))
      return [...rows, ...added.map((key) => ({ p: operation.p, key, value: 0 }))]
    }
    case 'overwrite-partition':
      return [
        ...rows.map((row) => (row.p === operation.p ? { ...row, value: row.value + 1 } : row)),
        { p: operation.p, key: operation.key, value: 0 },
      ]
    case 'replace-where':
      return [
        ...rows.filter((row) => row.p !== operation.p),
        { p: operation.p, key: operation.key, value: 0 },
      ]
    case 'delete':
      return rows.filter((row) => !operation.keys.includes(row.key))
    case 'equality-delete':
      return rows.filter((row) => row.p !== operation.p || !operation.keys.includes(row.key))
    case 'update':
      return rows.map((row) => (operation.keys.includes(row.key) ? changed(row, 1) : row))
    case 'upsert': {
      const known = new Set(rows.map((row) => row.key))
      const added = operation.keys.filter((key) => !known.has(key))
      return [
        ...rows.map((row) => (operation.keys.includes(row.key) ? changed(row, 10) : row)),
        ...added.map((key) => ({ p: partitionOf(key), key, value: 1 })),
      ]
    }
  }
}

export function changed(row: Row, by: number): Row {
  return { ...row, value: row.value + by }
}

export interface Difference {
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  /** There, though nothing that was done leaves them there: deleted before, or an older state of an update. */
  readonly resurrected: readonly string[]
}

/** Compares what a snapshot shows with what it should show. */
export function compareRows(expected: readonly Row[], actual: readonly Row[]): Difference {
  const wanted = counts(expected)
  const found = counts(actual)
  const lost: string[] = []
  const doubled: string[] = []
  const resurrected: string[] = []
  for (const [row, count] of wanted) if ((found.get(row) ?? 0) < count) lost.push(row)
  for (const [row, count] of found) {
    const due = wanted.get(row) ?? 0
    if (count > due) (due > 0 ? doubled : resurrected).push(row)
  }
  return { lost, doubled, resurrected }
}

function counts(rows: readonly Row[]): ReadonlyMap<string, number> {
  const result = new Map<string, number>()
  for (const row of rows) {
    const text = `${row.p}/${row.key}=${row.value}`
    result.set(text, (result.get(text) ?? 0) + 1)
  }
  return result
}
