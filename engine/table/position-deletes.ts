import { specById, partitionTypes, schemasNewestFirst } from '../../iceberg/spec/specs.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { quoteName } from '../duckdb/sql-text.js'
import { partitionPath } from '../parquet/partition-path.js'
import type { Basis } from './compute-change.js'
import { writeTarget } from './write-target.js'

/** Reserved field ids of position-delete files (Iceberg spec, "Position Delete Files"). */
const FILE_PATH = 2147483546
const POS = 2147483545

const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: FILE_PATH, name: 'file_path', required: true, type: 'string' },
    { id: POS, name: 'pos', required: true, type: 'long' },
  ],
}
/** One file for each data file. */
const BY_FILE: PartitionSpec = {
  'spec-id': 0,
  fields: [{ 'source-id': FILE_PATH, 'field-id': 1000, name: 'file_path', transform: 'identity' }],
}

/**
 * Writes the rows that go, (_file, _pos) of `gone`, as one position-delete file per data file, in its partition. `emptied`
 * files are among `gone` too but go whole.
 */
export async function writePositionDeletes(
  basis: Basis,
  gone: string | undefined,
  partial: readonly FileScanTask[],
  emptied: readonly FileScanTask[],
): Promise<readonly DataFile[]> {
  if (gone === undefined || partial.length === 0) return []
  const session = await basis.session()
  const byPath = new Map(partial.map(({ file }) => [file.filePath, file]))
  if (emptied.length > 0) {
    const rows = [...byPath.keys()].map((path) => ({ file_path: path, pos: 0n }))
    await session.addRelation({ kind: 'rows', name: PARTIAL, schema: SCHEMA, rows })
  }
  const only = emptied.length > 0 ? `WHERE "_file" IN (SELECT file_path FROM ${quoteName(PARTIAL)})` : ''
  const folderOf = (path: unknown): string => {
    const file = byPath.get(String(path))
    return file === undefined ? '' : partitionFolder(basis.metadata, file)
  }
  const { files } = await session.write(`SELECT "_file" AS file_path, "_pos" AS pos FROM ${gone} ${only}`, {
    schema: SCHEMA,
    spec: BY_FILE,
    dataLocation: writeTarget(basis.metadata).dataLocation,
    orderBy: ['pos'],
    folderOf: ([path]) => folderOf(path),
  })
  return files.flatMap((file) => {
    const data = byPath.get(String(file.partition[0]))
    return data === undefined ? [] : [deletesOf(data, file)]
  })
}

const PARTIAL = '_firn_partial'

/** Readers find by the bounds, uncut, that the deletes are of this file only. */
function deletesOf(data: DataFile, written: DataFile): DataFile {
  const path = Buffer.from(data.filePath)
  return {
    ...written,
    content: 'position-deletes',
    specId: data.specId,
    partition: data.partition,
    lowerBounds: new Map(written.lowerBounds).set(FILE_PATH, path),
    upperBounds: new Map(written.upperBounds).set(FILE_PATH, path),
    referencedDataFile: data.filePath,
  }
}

function partitionFolder(metadata: TableMetadata, file: DataFile): string {
  const spec = specById(metadata, file.specId)
  const types = partitionTypes(schemasNewestFirst(metadata), spec).map((type) => type ?? 'string')
  return partitionPath(spec, types, file.partition)
}
