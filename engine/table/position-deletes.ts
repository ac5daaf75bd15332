import { specById, partitionTypes, schemasNewestFirst } from '../../iceberg/spec/specs.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { PartitionSpec } from '../../iceberg/spec/partition-spec.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { quoteText } from '../duckdb/sql-text.js'
import { partitionPath } from '../parquet/partition-path.js'
import { fileOfPlace, PLACE, positionOfPlace } from '../row-place.js'
import type { Basis } from './compute-change.js'
import type { TouchedFile } from './touched-file.js'
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

/** So many files are written one by one; for more the rows are sorted into a work table first. */
const FEW_FILES = 4

/**
 * Writes the rows that go, the places of `gone`, as one position-delete file per data file, in its partition. `gone` may
 * name rows of `others` too.
 */
export async function writePositionDeletes(
  basis: Basis,
  gone: string | undefined,
  files: readonly TouchedFile[],
  others: boolean,
): Promise<readonly DataFile[]> {
  if (gone === undefined || files.length === 0) return []
  if (files.length > FEW_FILES) return writeMany(basis, gone, files)
  const written: DataFile[] = []
  const isOnly = files.length === 1 && !others
  for (const file of files) written.push(...(await writeOne(basis, gone, file, isOnly)))
  return written
}

async function writeOne(
  basis: Basis,
  gone: string,
  { task, number }: TouchedFile,
  isOnly: boolean,
): Promise<readonly DataFile[]> {
  const session = await basis.session()
  const where = isOnly ? '' : `WHERE ${fileOfPlace(PLACE)} = ${number}`
  const { files } = await session.write(
    `SELECT ${quoteText(task.file.filePath)} AS file_path, ${positionOfPlace(PLACE)} AS pos FROM ${gone} ${where}`,
    {
      schema: SCHEMA,
      spec: { 'spec-id': 0, fields: [] },
      dataLocation: writeTarget(basis.metadata).dataLocation,
      orderBy: ['pos'],
      folderOf: () => partitionFolder(basis.metadata, task.file),
    },
  )
  return files.map((written) => deletesOf(task.file, written))
}

async function writeMany(
  basis: Basis,
  gone: string,
  touched: readonly TouchedFile[],
): Promise<readonly DataFile[]> {
  const session = await basis.session()
  const byPath = new Map(touched.map(({ task: { file } }) => [file.filePath, file]))
  const rows = touched.map(({ task, number }) => ({ number, location: task.file.filePath }))
  await session.addRelation({ kind: 'rows', name: NAMES, schema: NAMES_SCHEMA, rows })
  const folderOf = (path: unknown): string => {
    const file = byPath.get(String(path))
    return file === undefined ? '' : partitionFolder(basis.metadata, file)
  }
  const { files } = await session.write(
    `SELECT n.location AS file_path, ${positionOfPlace(PLACE)} AS pos
     FROM ${gone} JOIN ${NAMES} n ON n.number = ${fileOfPlace(PLACE)}`,
    {
      schema: SCHEMA,
      spec: BY_FILE,
      dataLocation: writeTarget(basis.metadata).dataLocation,
      orderBy: ['pos'],
      folderOf: ([path]) => folderOf(path),
    },
  )
  return files.flatMap((file) => {
    const data = byPath.get(String(file.partition[0]))
    return data === undefined ? [] : [deletesOf(data, file)]
  })
}

const NAMES = '_firn_names'
const NAMES_SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'number', required: true, type: 'int' },
    { id: 2, name: 'location', required: true, type: 'string' },
  ],
}

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
