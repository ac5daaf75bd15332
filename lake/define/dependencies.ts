import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import { FirnError } from '../../schemas/error.js'
import type { Pipeline } from '../../schemas/pipeline.js'

export interface TableDependencies {
  /** By table that has SQL: the tables and sources that it reads, itself left out. */
  readonly reads: ReadonlyMap<string, readonly string[]>
  /** Tables in build order; those of one group do not read each other. */
  readonly groups: readonly (readonly string[])[]
}

/**
 * What each table of a pipeline reads, from its SQL itself. A table may read itself: its state before the batch. Errors:
 * FirnError `config` where a name means nothing or tables read each other in a circle.
 */
export async function tableDependencies(pipeline: Pipeline): Promise<TableDependencies> {
  const reads = new Map<string, readonly string[]>()
  for (const [table, { sql }] of Object.entries(pipeline.tables)) {
    if (sql === undefined) continue
    const { tables } = await inspectSql(sqlOf(pipeline, sql))
    const unknown = unknownRelations(pipeline, tables)
    if (unknown.length > 0) {
      throw new FirnError('config', `table ${table} of pipeline ${pipeline.name} reads ${unknown.join('; ')}`)
    }
    reads.set(
      table,
      tables.filter((name) => name !== table && name !== 'batch'),
    )
  }
  return { reads, groups: groupsOf(pipeline.name, reads) }
}

/** The text of a SQL file of the pipeline, without the semicolon at its end. */
export function sqlOf(pipeline: Pick<Pipeline, 'name' | 'sqlTexts'>, path: string): string {
  const text = pipeline.sqlTexts[path]
  if (text === undefined) {
    throw new FirnError(
      'config',
      `pipeline ${pipeline.name} was loaded without its SQL file ${path}; load it again`,
    )
  }
  return text.replace(/;\s*$/, '')
}

/** For each name that is no relation of the pipeline, what to write instead. */
export function unknownRelations(pipeline: Pipeline, names: readonly string[]): readonly string[] {
  const known = [...Object.keys(pipeline.sources), ...Object.keys(pipeline.tables), 'batch']
  return names
    .filter((name) => !known.includes(name))
    .map((name) => {
      const plain = name.slice(name.lastIndexOf('.') + 1).toLowerCase()
      const hint = known.includes(plain) ? `write ${plain}` : `there are ${known.join(', ')}`
      return `${JSON.stringify(name)}, which is not there: ${hint}`
    })
}

function groupsOf(
  pipeline: string,
  reads: ReadonlyMap<string, readonly string[]>,
): readonly (readonly string[])[] {
  const groups: string[][] = []
  const left = new Set(reads.keys())
  while (left.size > 0) {
    const ready = [...left].filter((table) => !(reads.get(table) ?? []).some((name) => left.has(name)))
    if (ready.length === 0) {
      const circle = circleAmong(left, reads).join(' → ')
      throw new FirnError('config', `tables of pipeline ${pipeline} read each other in a circle: ${circle}`)
    }
    groups.push(ready)
    for (const table of ready) left.delete(table)
  }
  return groups
}

/** Every table that is left reads one that is left, so walking on must come back. */
function circleAmong(
  left: ReadonlySet<string>,
  reads: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  const walked: string[] = []
  let table = [...left].sort()[0] ?? ''
  while (!walked.includes(table)) {
    walked.push(table)
    table = (reads.get(table) ?? []).find((name) => left.has(name)) ?? table
  }
  return [...walked.slice(walked.indexOf(table)), table]
}
