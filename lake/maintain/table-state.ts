import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import type { ExpirePlan } from '../../iceberg/maintain/plan-expire.js'
import { planManifestRewrite } from '../../iceberg/maintain/plan-manifest-rewrite.js'
import { mayDeleteFiles } from '../../iceberg/maintain/reachable-files.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { dashed } from '../../schemas/dashed.js'
import type { LakeSettings } from '../../schemas/lake-deps.js'
import { isLedger } from '../../schemas/lake-tables.js'
import type { MaintenanceTriggers } from '../../schemas/maintenance.js'
import { readMarks } from './maintenance-marks.js'
import { commitsSince, DEFAULT_TRIGGERS, type TableState } from './plan-maintenance.js'

/** From the metadata that is at hand; where anything was committed since the manifests were rewritten, their list too. */
export async function readTableState(
  io: FileIO,
  table: LoadedTable,
  { nowMs, expiry }: { readonly nowMs: number; readonly expiry: ExpirePlan },
): Promise<TableState> {
  const { metadata } = table
  const sequenceNumber = metadata['last-sequence-number']
  const done = readMarks(metadata)
  const mayRewrite = metadata['format-version'] === 2
  const looks = mayRewrite && commitsSince({ sequenceNumber, done }, 'rewriteManifests') > 0
  const head = looks ? headOf(metadata) : undefined
  const { reason } =
    head === undefined ? {} : planManifestRewrite(metadata, await readManifests(io, metadata, head))
  return {
    nowMs,
    sequenceNumber,
    ...totals(table),
    ...(reason === undefined ? {} : { manifests: reason }),
    overdueSnapshots: expiry.removeSnapshots.length,
    overdueRefs: expiry.dropRefs.length,
    versions: metadata.schemas.length + metadata['partition-specs'].length - 2,
    isLedger: isLedger(table.identifier),
    mayDelete: mayDeleteFiles(metadata),
    mayRewrite,
    done,
  }
}

/** What main's head says of the table as a whole; a writer may leave it out. */
export function totals({ metadata }: LoadedTable): Pick<TableState, 'files' | 'bytes' | 'deleteFiles'> {
  const head = headOf(metadata)
  if (head === undefined) return { files: 0, bytes: 0, deleteFiles: 0 }
  const total = (name: string): number | undefined => {
    const text = head.summary?.[`total-${name}`]
    return typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : undefined
  }
  const [files, bytes, deleteFiles] = [total('data-files'), total('files-size'), total('delete-files')]
  return {
    ...(files === undefined ? {} : { files }),
    ...(bytes === undefined ? {} : { bytes }),
    ...(deleteFiles === undefined ? {} : { deleteFiles }),
  }
}

/** The table's own come before the lake's; one that is no whole number is told of and passed over. */
export function readTriggers(
  { maintenance }: Pick<LakeSettings, 'maintenance'>,
  properties: Readonly<Record<string, string>>,
): { readonly triggers: MaintenanceTriggers; readonly notes: readonly string[] } {
  const triggers = { ...DEFAULT_TRIGGERS, ...maintenance }
  const notes: string[] = []
  for (const name of Object.keys(DEFAULT_TRIGGERS) as (keyof MaintenanceTriggers)[]) {
    const key = `firn.maintenance.${dashed(name)}`
    const text = properties[key]?.trim()
    if (text === undefined) continue
    if (/^\d{1,15}$/.test(text)) triggers[name] = Number(text)
    else
      notes.push(`property ${key} is ${JSON.stringify(text)}, which is no whole number: the default counts`)
  }
  return { triggers, notes }
}
