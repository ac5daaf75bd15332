import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { formatIdentifier } from '../../iceberg/catalog/catalog.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier, ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { TableDefinition } from '../../schemas/pipeline.js'
import { parseDuration } from '../../schemas/duration.js'
import { pipelineGraph } from '../features/pipeline-graph.js'
import { sourceOf, type NamedSource } from '../land/source-of.js'
import { ensureTables } from '../tables/ensure-tables.js'

/** A window table with its spans in ms. */
export interface WindowTable {
  /** Unqualified. */
  readonly name: string
  readonly definition: TableDefinition
  readonly sizeMs: number
  readonly latenessMs: number
  readonly mode: 'copy-on-write' | 'merge-on-read'
  readonly loaded: LoadedTable
}

/** A source, its ledger, and the window tables that read it, as one catalog read shows them. */
export interface WindowedSource {
  readonly source: NamedSource
  readonly ledger: LoadedTable
  readonly audit: LoadedTable
  /** By name; none: the pipeline has no window table of this source. */
  readonly tables: readonly WindowTable[]
}

/** Makes what is missing of them. */
export async function openWindows(
  deps: LakeDeps,
  named: { readonly pipeline: string; readonly source?: string },
): Promise<WindowedSource> {
  const source = sourceOf(deps, named)
  const { pipeline } = source
  const { windows } = await pipelineGraph(pipeline)
  const own = Object.entries(pipeline.tables).filter(([table]) => windows.get(table) === source.name)
  const loaded = await ensureTables(deps, { ...pipeline, tables: Object.fromEntries(own) })
  const byName = new Map(loaded.map((table) => [formatIdentifier(table.identifier), table]))
  const find = (name: string): LoadedTable => {
    const table = byName.get(name)
    if (table === undefined) throw new FirnError('not-found', `there is no table ${name}`)
    return table
  }
  return {
    source,
    ledger: find(formatIdentifier(ledgerIdentifier(source.name))),
    audit: find(formatIdentifier(auditIdentifier(pipeline.namespace))),
    tables: own
      .map(([name, definition]) => ({
        name,
        definition,
        sizeMs: parseDuration(definition.window?.size ?? '') ?? 0,
        latenessMs: parseDuration(definition.window?.lateness ?? '0s') ?? 0,
        mode: definition.window?.mode ?? 'copy-on-write',
        loaded: find(`${pipeline.namespace}.${name}`),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}
