import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createDuckDBEngine } from '../../../engine/duckdb/duckdb-engine.js'
import type { EngineSession, Row } from '../../../engine/engine.js'
import pipeline from '../../../pipelines/quantum/pipeline.js'
import { ENVELOPE_COLUMNS } from '../../../schemas/lake-tables.js'
import { parseDocumentSchema, parseTableSchema } from '../../../schemas/table-schema.js'
import { experimentId, type OracleBatch } from '../../support/quantum-oracle.js'

export const BATCH: OracleBatch = {
  batchId: '20260701T020000Z',
  pipeline: 'quantum',
  timestampUs: BigInt(Date.UTC(2026, 6, 1, 2)) * 1000n,
  date: Date.UTC(2026, 6, 1) / 86_400_000,
}

/** The eleven tables in an order in which each comes after those that it reads. */
export const TABLES = Object.keys(pipeline.tables).filter((name) => pipeline.tables[name]!.sql !== undefined)

/** All but the largest, which no check and no model reads. */
export const SMALL_TABLES = TABLES.filter((name) => name !== 'iteration_parameters')

/** A session with the documents as a batch: relations `experiments` (deduplicated), `batch` and the tables by their SQL. */
export async function quantumSession(
  texts: readonly string[],
  { threads = 2, tables = TABLES }: { readonly threads?: number; readonly tables?: readonly string[] } = {},
): Promise<EngineSession> {
  const directory = await mkdtemp(join(tmpdir(), 'firn-quantum-'))
  const engine = createDuckDBEngine({ tempDirectory: directory })
  const session = await engine.openSession({ threads })
  const path = join(directory, 'landed.jsonl')
  writeFileSync(path, texts.map((text, offset) => envelope(text, offset)).join(''))
  await session.addRelation({
    kind: 'raw',
    name: 'landed',
    schema: parseDocumentSchema(pipeline.sources.experiments!.schema),
    envelope: parseTableSchema(ENVELOPE_COLUMNS),
    objects: [{ location: pathToFileURL(path).href, first: 0, end: texts.length }],
  })
  await session.addRelation({
    kind: 'query',
    name: 'experiments',
    sql: 'SELECT * FROM landed QUALIFY row_number() OVER (PARTITION BY _record_id ORDER BY _offset) = 1',
  })
  await session.addRelation({
    kind: 'rows',
    name: 'batch',
    schema: parseTableSchema({
      batch_id: 'string!',
      pipeline: 'string!',
      processing_timestamp: 'timestamptz!',
      processing_date: 'date!',
    }),
    rows: [
      {
        batch_id: BATCH.batchId,
        pipeline: BATCH.pipeline,
        processing_timestamp: BATCH.timestampUs,
        processing_date: BATCH.date,
      },
    ],
  })
  for (const name of tables) {
    await session.addRelation({ kind: 'query', name, sql: sqlText(pipeline.tables[name]!.sql!) })
  }
  return session
}

/** All rows of a table, in the order of its key. */
export async function rowsOf(session: EngineSession, table: string): Promise<readonly Row[]> {
  const key = pipeline.tables[table]!.key.join(', ')
  const { rows } = await session.query(`SELECT * FROM ${table} ORDER BY ${key}`, { limit: 2_000_000 })
  return rows
}

export function sqlText(path: string): string {
  return readFileSync(join(import.meta.dirname, '../../../pipelines/quantum', path), 'utf8')
}

function envelope(text: string, offset: number): string {
  const record = {
    record_id: experimentId(text),
    topic: 'experiment.vqe',
    path: null,
    partition: 0,
    offset,
    key: null,
    timestamp: null,
    payload: text,
  }
  return JSON.stringify(record) + '\n'
}
