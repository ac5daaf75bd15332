import { ifFound, isIcebergError } from '../../iceberg/error.js'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { MAINTENANCE_STEPS, type MaintenanceStep } from '../../schemas/maintenance.js'

/**
 * When a step was done last, and how the table was then. It stands in a property of the table itself: it comes with the
 * metadata that is read anyway, whatever the history, and goes where the table goes.
 */
export interface MaintenanceMark {
  readonly atMs: number
  /** The newest commit that the step has seen, or made. */
  readonly sequenceNumber: number
  readonly files?: number
  readonly bytes?: number
  readonly deleteFiles?: number
}

export type MaintenanceMarks = Partial<Record<MaintenanceStep, MaintenanceMark>>

const PROPERTY = 'firn.maintained'
const MAX_TRIES = 20

/** What can't be read counts as never done: a step too many does no harm. */
export function readMarks({ properties }: Pick<TableMetadata, 'properties'>): MaintenanceMarks {
  const marks: Partial<Record<MaintenanceStep, MaintenanceMark>> = {}
  let given: unknown
  try {
    given = JSON.parse(properties[PROPERTY] ?? '{}')
  } catch {
    return {}
  }
  if (typeof given !== 'object' || given === null) return {}
  for (const step of MAINTENANCE_STEPS) {
    const mark = (given as Readonly<Record<string, unknown>>)[step]
    if (isMark(mark)) marks[step] = mark
  }
  return marks
}

/** Adds to the table's marks. A writer that commits meanwhile is never in the way: rows and refs stay as they are. */
export async function writeMarks(
  { catalog }: Pick<LakeDeps, 'catalog'>,
  identifier: TableIdentifier,
  marks: MaintenanceMarks,
): Promise<void> {
  if (Object.keys(marks).length === 0) return
  for (let tries = 1; ; tries++) {
    const table = await ifFound(catalog.loadTable(identifier))
    if (table === undefined) return
    const all = { ...readMarks(table.metadata), ...marks }
    try {
      const requirements = [{ type: 'assert-table-uuid' as const, uuid: table.metadata['table-uuid'] }]
      const updates = [{ action: 'set-properties' as const, updates: { [PROPERTY]: JSON.stringify(all) } }]
      await catalog.commit([{ identifier, requirements, updates }])
      return
    } catch (error) {
      const isTransient = isIcebergError(error, 'commit-conflict') || isIcebergError(error, 'commit-unknown')
      // Without them the steps are due again, that is all.
      if (isTransient && tries >= MAX_TRIES) return
      if (!isTransient) throw error
    }
  }
}

function isMark(value: unknown): value is MaintenanceMark {
  if (typeof value !== 'object' || value === null) return false
  const { atMs, sequenceNumber, ...rest } = value as Readonly<Record<string, unknown>>
  const others = ['files', 'bytes', 'deleteFiles'].map((key) => rest[key])
  return (
    [atMs, sequenceNumber].every(Number.isFinite) &&
    others.every((one) => one === undefined || Number.isFinite(one))
  )
}
