import { IcebergError } from '../error.js'
import type { LoadedTable } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import type { NewManifestEntry } from '../format/manifest.js'
import type { DataFile, ManifestFile } from '../spec/data-file.js'
import { snapshotById } from '../spec/refs.js'
import type { ManifestFiles } from './manifest-files.js'
import type { Change, TableChange } from './table-change.js'

/** A change whose added files lie in manifests that are valid in every attempt. */
export interface PreparedChange {
  readonly table: TableChange
  /** `none` where the given change adds and removes no file. */
  readonly change: Change
  /** Data files and delete files. */
  readonly added: readonly DataFile[]
  readonly manifests: readonly ManifestFile[]
  /** The table that the files were written for: one made anew under its name is another. */
  readonly tableUuid: string
}

/** Writes the manifests of a change's added files, one per content and partition spec, once per transaction. */
export function prepareChange(files: ManifestFiles, loaded: LoadedTable, table: TableChange): PreparedChange {
  const { metadata } = loaded
  const added = addedFiles(table.change)
  checkFiles(loaded, table.change, added)
  checkSequenceNumber(loaded, table.change)
  const groups = new Map<string, DataFile[]>()
  for (const file of added) {
    const key = `${file.specId}/${contentOf(file)}`
    groups.set(key, [...(groups.get(key) ?? []), file])
  }
  const manifests = [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : files.write(metadata, {
          specId: first.specId,
          content: contentOf(first),
          snapshotId: table.snapshotId,
          entries: [first, ...others].map((file) => newEntry(table.change, file)),
        }),
  )
  return {
    table,
    change: writesSnapshot(table) ? table.change : { kind: 'none' },
    added,
    manifests,
    tableUuid: metadata['table-uuid'],
  }
}

/** A change that adds and removes no file makes no snapshot, unless its summary has something to say. */
export function writesSnapshot({ change, evenIfEmpty }: TableChange): boolean {
  if (evenIfEmpty === true) return true
  if (change.kind === 'rewrite-manifests') return true
  return addedFiles(change).length > 0 || ('removed' in change && change.removed.length > 0)
}

function addedFiles(change: Change): readonly DataFile[] {
  if (change.kind === 'none' || change.kind === 'rewrite-manifests' || change.kind === 'set-head') return []
  if (change.kind === 'row-delta') return [...change.added, ...change.deletes]
  return 'files' in change ? change.files : change.added
}

function contentOf(file: DataFile): 'data' | 'deletes' {
  return file.content === 'data' ? 'data' : 'deletes'
}

/** Delete files always take the commit's sequence number: they reach what lies before it. */
function newEntry(change: Change, file: DataFile): NewManifestEntry {
  if (change.kind !== 'rewrite' || change.dataSequenceNumber === undefined || file.content !== 'data') {
    return { status: 'added', file }
  }
  return { status: 'added', file, sequenceNumber: change.dataSequenceNumber }
}

/**
 * A lower number would bring files into reach of equality deletes that were applied already, a higher one out of reach of
 * those that came since.
 */
function checkSequenceNumber({ identifier, metadata }: LoadedTable, change: Change): void {
  if (change.kind !== 'rewrite' || change.dataSequenceNumber === undefined) return
  const { basis, dataSequenceNumber: number } = change
  const table = formatIdentifier(identifier)
  const expected = snapshotById(metadata, basis)?.['sequence-number']
  if (expected === number) return
  if (expected === undefined) {
    throw new IcebergError(
      'rebuild-needed',
      `${table}: snapshot ${String(basis)}, which the files were rewritten from, has expired; plan again later`,
      { context: { tables: [table], giveUp: [table] } },
    )
  }
  throw new IcebergError(
    'invalid-argument',
    `${table}: rewritten files are to take sequence number ${number}, but their basis ${String(basis)} has ${expected}; use that`,
  )
}

function checkFiles({ identifier, metadata }: LoadedTable, change: Change, files: readonly DataFile[]): void {
  const mayDelete = new Set(
    change.kind === 'row-delta' ? change.deletes : change.kind === 'rewrite' ? change.added : [],
  )
  const mayBeData = new Set(change.kind === 'row-delta' ? change.added : files)
  const paths = new Set<string>()
  for (const file of files) {
    const spec = metadata['partition-specs'].find((known) => known['spec-id'] === file.specId)
    const isWelcome = file.content === 'data' ? mayBeData.has(file) : mayDelete.has(file)
    const wrong = !isWelcome
      ? `is a file of ${file.content}`
      : file.fileFormat === 'puffin'
        ? 'is a deletion vector, which tables of format version 2 do not have'
        : paths.has(file.filePath)
          ? 'is given twice'
          : spec === undefined
            ? `has partition spec ${file.specId}, which the table lacks`
            : spec.fields.length !== file.partition.length
              ? `has ${file.partition.length} partition values where spec ${file.specId} has ${spec.fields.length} fields`
              : undefined
    if (wrong !== undefined) {
      throw new IcebergError('invalid-argument', `${formatIdentifier(identifier)}: ${file.filePath} ${wrong}`)
    }
    paths.add(file.filePath)
  }
}
