import { ifFound } from '../../iceberg/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { parseDuration } from '../../schemas/duration.js'
import { publishedState } from '../publish/audit.js'
import { windowPosition } from '../windows/window-marker.js'

/** Up to where nobody reads a source's raw objects any more. */
export interface BuiltRows {
  /** Ledger rows before this one are built by every pipeline that reads the source. */
  readonly rowEnd: number
  /** Windows that are still open take only records from then on; absent: no windows. ms since 1970. */
  readonly eventsBeforeMs?: number
  readonly notes: readonly string[]
}

/** By what the pipelines' audit rows and window tables say. A pipeline that is not configured here is not known of. */
export async function builtRows(deps: LakeDeps, source: string): Promise<BuiltRows> {
  const readers = [...deps.pipelines.values()].filter(({ sources }) => Object.hasOwn(sources, source))
  const parts = (await Promise.all(readers.map((pipeline) => partsOf(deps, pipeline)))).flat()
  const [slowest] = [...parts].sort((a, b) => a.rowEnd - b.rowEnd)
  if (slowest === undefined)
    return { rowEnd: 0, notes: [`kept all raw objects: no pipeline here reads ${source}`] }
  const windows = parts.flatMap(({ eventsBeforeMs }) => eventsBeforeMs ?? [])
  return {
    rowEnd: slowest.rowEnd,
    ...(windows.length === 0 ? {} : { eventsBeforeMs: Math.min(...windows) }),
    notes: slowest.rowEnd === 0 ? [`kept all raw objects: ${slowest.name} has built none of ${source}`] : [],
  }
}

interface BuiltPart {
  readonly name: string
  readonly rowEnd: number
  readonly eventsBeforeMs?: number
}

async function partsOf(deps: LakeDeps, pipeline: Pipeline): Promise<readonly BuiltPart[]> {
  const { name, namespace, tables } = pipeline
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(namespace)))
  const parts: BuiltPart[] = []
  if (Object.values(tables).some(({ sql, window }) => sql !== undefined && window === undefined)) {
    const rowEnd = audit === undefined ? 0 : (await publishedState(deps, audit, name)).end
    parts.push({ name, rowEnd })
  }
  for (const [table, { window }] of Object.entries(tables)) {
    if (window === undefined) continue
    const loaded = await ifFound(deps.catalog.loadTable({ namespace, name: table }))
    const position = loaded === undefined ? undefined : windowPosition(loaded.metadata)
    const marker = position?.kind === 'known' ? position.marker : undefined
    const spanMs = (parseDuration(window.size) ?? 0) + (parseDuration(window.lateness ?? '0s') ?? 0)
    parts.push({
      name: `${namespace}.${table}`,
      rowEnd: marker?.rowEnd ?? 0,
      eventsBeforeMs: (marker?.watermarkMs ?? Number.NEGATIVE_INFINITY) - spanMs,
    })
  }
  return parts
}
