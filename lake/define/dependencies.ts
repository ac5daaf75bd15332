import { inspectSql } from '../../engine/duckdb/inspect-sql.js'
import { FirnError } from '../../schemas/error.js'
import type { Pipeline } from '../../schemas/pipeline.js'

export interface TableDependencies {
  /** By table that has SQL: the tables and sources that it reads, itself left out. */
  readonly reads: ReadonlyMap<string, readonly string[]>
  /** Window tables, which only the stream writes, with the one source that each reads. */
  readonly windows: ReadonlyMap<string, string>
  /** Tables in build order, window tables left out; those of one group do not read each other. */
  readonly groups: readonly (readonly string[])[]
}

/**
 * What each table of a pipeline reads, from its SQL itself. A table may read itself: its state before the batch. Errors:
 * FirnError `config` where a name means nothing, tables read each other in a circle, a window table reads anything but one
 * source, or a batch reads a window table.
 */
export async function tableDependencies(pipeline: Pipeline): Promise<TableDependencies> {
  const reads = new Map<string, readonly string[]>()
  const windows = new Map<string, string>()
  for (const [table, { sql }] of Object.entries(pipeline.tables)) {
    if (sql === undefined) continue
    const { tables } = await inspectSql(sqlOf(pipeline, sql))
    const unknown = unknownRelations(pipeline, tables)
    if (unknown.length > 0) {
      throw new FirnError('config', `table ${table} of pipeline ${pipeline.name} reads ${unknown.join('; ')}`)
    }
    if (pipeline.tables[table]?.window !== undefined) {
      windows.set(table, windowSource(pipeline, table, tables))
    }
    reads.set(
      table,
      tables.filter((name) => name !== table && name !== 'batch'),
    )
  }
  const built = new Map([...reads].filter(([table]) => !windows.has(table)))
  refuseReadersOfWindows(pipeline, built, windows)
  return { reads, windows, groups: groupsOf(pipeline.name, built) }
}

function windowSource(pipeline: Pipeline, table: string, names: readonly string[]): string {
  const [source, ...others] = names
  if (source !== undefined && others.length === 0 && Object.hasOwn(pipeline.sources, source)) return source
  throw new FirnError(
    'config',
    `window table ${table} of pipeline ${pipeline.name} reads ${names.join(', ') || 'nothing'}: its rows must come from one source alone`,
  )
}

/** A batch is a function of its range of the ledger, and the stream writes windows at times of its own. */
function refuseReadersOfWindows(
  pipeline: Pipeline,
  built: ReadonlyMap<string, readonly string[]>,
  windows: ReadonlyMap<string, string>,
): void {
  for (const [table, names] of built) {
    const window = names.find((name) => windows.has(name))
    if (window === undefined) continue
    throw new FirnError(
      'config',
      `table ${table} of pipeline ${pipeline.name} reads the window table ${window}, which the stream writes at times of ` +
        'its own: a batch that read it could not be built again with the same rows. Read the source instead.',
    )
  }
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
