import { ifFound } from '../../iceberg/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { auditIdentifier } from '../../schemas/lake-tables.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { publishedState } from '../publish/audit.js'
import { windowsName } from '../windows/published-position.js'
import { windowPosition } from '../windows/window-marker.js'

/**
 * The least number that a new ledger row may get: beyond what any batch or window table has read. It matters where the
 * ledger was rolled back and the removed rows have expired: their numbers must not name other records.
 */
export async function numberFloor(deps: LakeDeps, source: string): Promise<number> {
  const readers = [...deps.pipelines.values()].filter(({ sources }) => Object.hasOwn(sources, source))
  const ends = await Promise.all(
    readers.flatMap((pipeline) => [auditedEnd(deps, pipeline, source), windowsEnd(deps, pipeline)]),
  )
  return Math.max(0, ...ends)
}

async function auditedEnd(deps: LakeDeps, pipeline: Pipeline, source: string): Promise<number> {
  const audit = await ifFound(deps.catalog.loadTable(auditIdentifier(pipeline.namespace)))
  if (audit === undefined) return 0
  const names = [pipeline.name, windowsName({ pipeline, name: source })]
  const states = await Promise.all(names.map((name) => publishedState(deps, audit, name)))
  return Math.max(...states.map(({ end }) => end))
}

/** Windows are refreshed more often than they are published. */
async function windowsEnd({ catalog }: LakeDeps, { namespace, tables }: Pipeline): Promise<number> {
  const names = Object.keys(tables).filter((name) => tables[name]?.window !== undefined)
  const loaded = await Promise.all(names.map((name) => ifFound(catalog.loadTable({ namespace, name }))))
  const positions = loaded.flatMap((table) => (table === undefined ? [] : [windowPosition(table.metadata)]))
  return Math.max(0, ...positions.map((position) => (position.kind === 'known' ? position.marker.rowEnd : 0)))
}
