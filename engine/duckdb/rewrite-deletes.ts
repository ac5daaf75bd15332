import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { RewriteDeletesRequest } from '../../iceberg/maintain/rewriter.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Schema } from '../../iceberg/spec/type.js'
import type { EngineSession } from '../engine.js'
import { quoteText } from './sql-text.js'

/** Iceberg spec, "Position Delete Files". */
const POSITIONS: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 2147483546, name: 'file_path', required: true, type: 'string' },
    { id: 2147483545, name: 'pos', required: true, type: 'long' },
  ],
}

const PATHS: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [{ id: 1, name: 'path', required: true, type: 'string' }],
}

/** Position deletes of live files, each once, by file and position. */
export async function rewriteDeletes(
  session: EngineSession,
  request: RewriteDeletesRequest,
): Promise<readonly DataFile[]> {
  await session.addRelation({
    ...{ kind: 'scan', name: 'given', schema: POSITIONS },
    tasks: request.deletes.map((file) => ({
      file: { ...file, content: 'data' },
      ...{ sequenceNumber: 0, deletes: [], residual: alwaysTrue },
    })),
  })
  const rows = request.dataFiles.map((path) => ({ path }))
  await session.addRelation({ kind: 'rows', name: 'data_files', schema: PATHS, rows })
  await session.addRelation({
    ...{ kind: 'query', name: 'deletes' },
    sql: 'SELECT DISTINCT file_path, pos FROM given WHERE file_path IN (SELECT path FROM data_files)',
  })
  const counted = await session.query(
    'SELECT file_path, count(*) AS n FROM deletes GROUP BY file_path ORDER BY file_path',
    { limit: request.dataFiles.length + 1 },
  )
  const paths = counted.rows.flatMap(({ file_path: path }) => (typeof path === 'string' ? [path] : []))
  if (paths.length === 0) return []
  const scopes = request.perDataFile ? paths.map((path) => [path]) : [paths]
  const written: DataFile[] = []
  for (const scope of scopes) written.push(...(await writeScope(session, request, scope)))
  return written
}

/** `paths` are in order. */
async function writeScope(
  session: EngineSession,
  { specId, partition, dataLocation, perDataFile }: RewriteDeletesRequest,
  paths: readonly string[],
): Promise<readonly DataFile[]> {
  const only = perDataFile ? ` WHERE file_path = ${quoteText(paths[0] ?? '')}` : ''
  const spec = { 'spec-id': 0, fields: [] }
  const { files } = await session.write(`SELECT file_path, pos FROM deletes${only}`, {
    ...{ schema: POSITIONS, spec, dataLocation },
    orderBy: ['file_path', 'pos'],
  })
  const [path = ''] = paths
  return files.map((file) => ({
    ...file,
    ...{ content: 'position-deletes', specId, partition },
    ...(paths.length === 1 && { referencedDataFile: path, ...wholeBounds(file, path) }),
  }))
}

/** Readers take equal bounds of the path for its one data file, so they must not be cut. */
function wholeBounds(file: DataFile, path: string): Pick<DataFile, 'lowerBounds' | 'upperBounds'> {
  const whole = (bounds: DataFile['lowerBounds']) =>
    new Map([...(bounds ?? []), [2147483546, Buffer.from(path)] as const])
  return { lowerBounds: whole(file.lowerBounds), upperBounds: whole(file.upperBounds) }
}
