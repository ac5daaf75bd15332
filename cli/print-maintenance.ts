import type { MaintenanceReport, TableMaintenance } from '../schemas/messages.js'
import { formatBytes, print, printTable } from './output.js'

/** What maintenance did, or would do: the tables where something happened, and the notes of all. */
export function printMaintenance({ tables, dryRun }: MaintenanceReport): void {
  const touched = tables.filter(isTouched)
  const failed = tables.filter((table) => table.error !== undefined)
  const held = tables.reduce((bytes, table) => bytes + table.taggedBytes, 0)
  const looked = `${tables.length} tables looked at`
  const due =
    touched.length === 0 ? 'nothing was due' : `${touched.length} ${dryRun ? 'would change' : 'changed'}`
  const aside = dryRun ? ' (dry run: nothing changed)' : ''
  const holding = held === 0 ? '' : `; tags alone hold ${formatBytes(held)}`
  print(`maintenance: ${looked}, ${due}${holding}${aside}`)
  if (touched.length > 0)
    printTable(
      ['table', 'compacted', 'into', 'expired', 'tags dropped', 'files deleted', 'freed', 'orphans'],
      touched.map((t) => [
        t.table,
        t.compactedFiles,
        t.writtenFiles,
        t.expiredSnapshots,
        t.droppedTags.length,
        t.deletedFiles,
        formatBytes(t.deletedBytes),
        t.orphans,
      ]),
    )
  const more = [
    ...tables.flatMap(rewrites),
    ...tables.flatMap((table) => rawLines(table, dryRun)),
    ...tables.flatMap((table) => detailLines(table, dryRun)),
  ]
  for (const line of more) print(`  ${line}`)
  for (const [note, names] of byNote(tables)) print(`  ${note}  (${someNames(names)})`)
  for (const { table, error } of failed) print(`✗ ${table}: ${error ?? ''}`)
}

function isTouched(table: TableMaintenance): boolean {
  const { compactedFiles, expiredSnapshots, droppedTags, deletedFiles, orphans } = table
  const rewritten = (table.rewrittenDeleteFiles ?? 0) + (table.rewrittenManifests ?? 0)
  const { orphans: rawOrphans = 0, retired = 0, plans = 0 } = table.raw ?? {}
  if (rawOrphans + retired + plans > 0) return true
  return compactedFiles + expiredSnapshots + droppedTags.length + deletedFiles + orphans + rewritten > 0
}

/** What few tables have: delete files and manifests that were written anew. */
function rewrites({ table, ...counts }: TableMaintenance): readonly string[] {
  const { rewrittenDeleteFiles = 0, writtenDeleteFiles = 0 } = counts
  const { rewrittenManifests = 0, writtenManifests = 0 } = counts
  return [
    ...(rewrittenDeleteFiles > 0
      ? [`${table}: ${rewrittenDeleteFiles} delete files into ${writtenDeleteFiles}`]
      : []),
    ...(rewrittenManifests > 0 ? [`${table}: ${rewrittenManifests} manifests into ${writtenManifests}`] : []),
  ]
}

/** What landing left behind; a dry run names the files, else only those that stayed are named. */
function rawLines({ table, raw }: TableMaintenance, dryRun: boolean): readonly string[] {
  if (raw === undefined) return []
  const { orphans, retired, plans, bytes, files } = raw
  const counted = `${orphans} raw objects that nothing names, ${retired} past their retention, ${plans} landing plans`
  const shown = files.filter(({ result }) => dryRun || result !== 'deleted')
  return [
    ...(orphans + retired + plans === 0 ? [] : [`${table}: ${counted} (${formatBytes(bytes)})`]),
    ...shown.map(
      ({ location, sizeBytes, why, result, error }) =>
        `  ${result} (${why})  ${location}  ${formatBytes(sizeBytes)}${error === undefined ? '' : `: ${error}`}`,
    ),
  ]
}

/**
 * Single files: of a dry run what would go, else what did not go as it should, and everything where the whole list was read.
 * Then what stays, and for whom.
 */
function detailLines({ table, detail }: TableMaintenance, dryRun: boolean): readonly string[] {
  if (detail === undefined) return []
  const { files, snapshots, refs, at } = detail
  const all = files.shown.length === files.total
  const shown = files.shown.filter(({ result }) => dryRun || all || !/^(deleted|replaced)$/.test(result))
  return [
    ...(shown.length === 0 ? [] : [`${table}: files`]),
    ...shown.map(
      ({ location, sizeBytes, why, result, snapshotId, error }) =>
        `  ${result} (${why}${snapshotId === undefined ? '' : ` with snapshot ${snapshotId}`})  ${location}  ${formatBytes(sizeBytes)}${error === undefined ? '' : `: ${error}`}`,
    ),
    ...(snapshots === undefined || snapshots.total === 0 ? [] : [`${table}: snapshots that stay`]),
    ...(snapshots?.shown ?? []).map(
      ({ snapshotId, timestampMs, because }) =>
        `  ${snapshotId}  ${new Date(timestampMs).toISOString().slice(0, 19)}  ${because.join(', ')}`,
    ),
    ...(refs?.shown ?? []).map(
      ({ ref, model, bytes }) =>
        `  ${ref}${model === undefined ? '' : ` (${model})`} alone keeps ${formatBytes(bytes)}`,
    ),
    ...[files, snapshots, refs].flatMap((list, i) => {
      const left = (list?.total ?? 0) - (list?.shown.length ?? 0)
      const where = at === undefined ? `--table ${table} shows them` : '--files shows them'
      return left === 0 || (i === 0 && !dryRun) ? [] : [`  and ${left} ${KINDS[i] ?? ''} more: ${where}`]
    }),
  ]
}

const KINDS = ['files', 'snapshots', 'tags and branches']

/** Equal notes once, with the tables that have them. */
function byNote(tables: readonly TableMaintenance[]): ReadonlyMap<string, readonly string[]> {
  const notes = new Map<string, string[]>()
  for (const { table, notes: own } of tables)
    for (const note of own) notes.set(note, [...(notes.get(note) ?? []), table])
  return notes
}

const NAMES_MAX = 3

function someNames(names: readonly string[]): string {
  const more = names.length - NAMES_MAX
  const shown = names.slice(0, NAMES_MAX).join(', ')
  return more > 0 ? `${shown} and ${more} more` : shown
}
