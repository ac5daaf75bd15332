import {
  DEFINITION_PARTS,
  type ChangedTable,
  type DefinitionChange,
  type TableDefinitions,
} from '../../schemas/definition-change.js'

/**
 * Tables whose definitions differ, in the order of the new ones, those that are gone last. A part that one of the two does not
 * know makes no difference: to move to another engine is no change.
 */
export function changedTables(before: TableDefinitions, after: TableDefinitions): readonly ChangedTable[] {
  const changed = Object.entries(after).flatMap(([table, parts]): readonly ChangedTable[] => {
    const was = before[table]
    if (was === undefined) return [{ table, what: 'new' }]
    const what = DEFINITION_PARTS.filter(
      (part) => was[part] !== undefined && parts[part] !== undefined && was[part] !== parts[part],
    )
    return what.length === 0 ? [] : [{ table, what }]
  })
  const removed = Object.keys(before).filter((table) => !Object.hasOwn(after, table))
  return [...changed, ...removed.map((table) => ({ table, what: 'removed' as const }))]
}

const WORDS: Partial<Record<string, string>> = { sql: 'SQL', spark: 'SQL for Spark' }

/** A change in words: `summaries (sql, schema), notes (new); groups reads them`. */
export function changeText({ tables, readers }: DefinitionChange): string {
  if (tables.length === 0) return "the pipeline's definition (batches of 0.1 do not say of which table)"
  const words = tables.map(({ table, what }) => {
    const parts = typeof what === 'string' ? [what] : what
    return `${table} (${parts.map((part) => WORDS[part] ?? part).join(', ')})`
  })
  const reading = readers.length === 0 ? '' : `; computed from these: ${readers.join(', ')}`
  return words.join(', ') + reading
}
