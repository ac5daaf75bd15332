import { createHash } from 'node:crypto'
import { sqlShape } from '../../engine/duckdb/inspect-sql.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import type { TableDefinitions } from '../../schemas/definition-change.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import { engineOf } from '../spark/engine-of.js'
import { sqlOf } from './dependencies.js'
import { ownSparkSql } from './own-spark-sql.js'

export interface DefinitionFingerprint {
  /** Over the fingerprints of all tables. */
  readonly pipeline: string
  readonly tables: Readonly<Record<string, string>>
}

/** SHA-256 over the canonical JSON of what decides a table's rows: SQL text, schema, key, partition and write mode. */
export function definitionFingerprint(
  pipeline: Pick<Pipeline, 'tables' | 'sqlTexts'>,
): DefinitionFingerprint {
  const tables = Object.fromEntries(
    Object.entries(pipeline.tables).map(([name, { sql, schema, key, partition, write, newBy, window }]) => {
      const text = sql === undefined ? null : (pipeline.sqlTexts[sql] ?? null)
      const spark = sql === undefined ? undefined : pipeline.sqlTexts[ownSparkSql(sql)]
      // Column order is part of the definition, and an object's members have none in canonical JSON.
      return [
        name,
        digest({
          ...{ sql: text, schema: Object.entries(schema), key, partition, write, newBy: newBy ?? null },
          ...(window === undefined ? {} : { window }),
          ...(spark === undefined ? {} : { spark }),
        }),
      ]
    }),
  )
  return { pipeline: digest(tables), tables }
}

/**
 * Of every table that batches build, a digest of each part of its definition. The SQL counts as the parser reads it:
 * comments and white space make no difference here, though they do to the fingerprint. A table's own SQL for Spark counts
 * where Spark builds it.
 */
export async function tableDefinitions(
  deps: Pick<LakeDeps, 'settings'>,
  pipeline: Pipeline,
): Promise<TableDefinitions> {
  const built = Object.entries(pipeline.tables).flatMap(([name, table]) =>
    table.sql === undefined || table.window !== undefined ? [] : [{ ...table, name, sql: table.sql }],
  )
  const definitions = built.map(async ({ name, sql, schema, key, partition, write, newBy }) => {
    const own = pipeline.sqlTexts[ownSparkSql(sql)]
    const isSpark = engineOf(deps, pipeline, name) === 'spark'
    const parts = {
      ...(isSpark ? { spark: shortly(own === undefined ? null : withoutComments(own)) } : {}),
      sql: shortly(await sqlShape(sqlOf(pipeline, sql))),
      schema: shortly(Object.entries(schema)),
      key: shortly(key),
      partition: shortly(partition),
      write: shortly([write, newBy ?? null]),
    }
    return [name, parts] as const
  })
  return Object.fromEntries(await Promise.all(definitions))
}

/** Nobody here parses Spark's dialect: outside of quotes, white space is one blank and a comment is none. */
function withoutComments(sql: string): string {
  const parts = /('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`)|(?:--[^\n]*|\/\*[\s\S]*?\*\/|\s)+/g
  return sql.replace(parts, (_, quoted: string | undefined) => quoted ?? ' ').trim()
}

/** Enough to tell definitions of one table apart. */
function shortly(value: unknown): string {
  return digest(value).slice(0, 12)
}

function digest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}
