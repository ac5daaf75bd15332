import { createHash } from 'node:crypto'
import type { Pipeline } from '../../schemas/pipeline.js'
import { canonicalJson } from '../../schemas/canonical-json.js'

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
      // Column order is part of the definition, and an object's members have none in canonical JSON.
      return [
        name,
        digest({
          ...{ sql: text, schema: Object.entries(schema), key, partition, write, newBy: newBy ?? null },
          ...(window === undefined ? {} : { window }),
        }),
      ]
    }),
  )
  return { pipeline: digest(tables), tables }
}

function digest(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}
