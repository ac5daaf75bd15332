import { IcebergError } from '../error.js'
import type { LoadedTable } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import type { DataFile, ManifestFile } from '../spec/data-file.js'
import type { ManifestFiles } from './manifest-files.js'
import type { Change, TableChange } from './table-change.js'

/** A change whose added files lie in manifests that are valid in every attempt. */
export interface PreparedChange {
  readonly table: TableChange
  /** `none` where the given change adds and removes no file. */
  readonly change: Change
  readonly added: readonly DataFile[]
  readonly manifests: readonly ManifestFile[]
  /** The table that the files were written for: one made anew under its name is another. */
  readonly tableUuid: string
}

/** Writes the manifests of a change's added files, one per partition spec, once per transaction. */
export function prepareChange(files: ManifestFiles, loaded: LoadedTable, table: TableChange): PreparedChange {
  const { metadata } = loaded
  const added = addedFiles(table.change)
  checkFiles(loaded, added)
  const bySpec = new Map<number, DataFile[]>()
  for (const file of added) bySpec.set(file.specId, [...(bySpec.get(file.specId) ?? []), file])
  const manifests = [...bySpec].map(([specId, own]) =>
    files.write(metadata, {
      specId,
      content: 'data',
      snapshotId: table.snapshotId,
      entries: own.map((file) => ({ status: 'added', file })),
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

/** A change that adds and removes no file makes no snapshot. */
export function writesSnapshot({ change }: TableChange): boolean {
  return addedFiles(change).length > 0 || (change.kind === 'rewrite' && change.removed.length > 0)
}

function addedFiles(change: Change): readonly DataFile[] {
  if (change.kind === 'none' || change.kind === 'rewrite-manifests') return []
  return 'files' in change ? change.files : change.added
}

function checkFiles({ identifier, metadata }: LoadedTable, files: readonly DataFile[]): void {
  const paths = new Set<string>()
  for (const file of files) {
    const spec = metadata['partition-specs'].find((known) => known['spec-id'] === file.specId)
    const wrong =
      file.content !== 'data'
        ? `is a file of ${file.content}`
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
