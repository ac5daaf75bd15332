import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { EngineSession, EngineSessionOptions, Relation, WriteTarget } from '../../engine/engine.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Schema } from '../../iceberg/spec/type.js'
import { parsePartition } from '../../schemas/table-schema.js'

export const folder = mkdtempSync(join(tmpdir(), 'firn-engine-'))
export const engine = createDuckDBEngine({ tempDirectory: join(folder, 'temp') })

export async function withSession<T>(
  action: (session: EngineSession) => Promise<T>,
  options: EngineSessionOptions = {},
): Promise<T> {
  const session = await engine.openSession(options)
  try {
    return await action(session)
  } finally {
    await session.close()
  }
}

let tables = 0

export function target(
  schema: Schema,
  orderBy: readonly string[],
  partition: readonly string[] = [],
): WriteTarget {
  const dataLocation = `file://${folder}/t${tables++}/data`
  return { schema, spec: parsePartition(partition, schema), dataLocation, orderBy }
}

export function scan(
  name: string,
  schema: Schema,
  files: readonly DataFile[],
  deletes: readonly DataFile[] = [],
): Relation {
  const tasks: FileScanTask[] = files.map((file) => ({
    file,
    sequenceNumber: 1,
    deletes,
    residual: { kind: 'true' },
  }))
  return { kind: 'scan', name, schema, tasks }
}
