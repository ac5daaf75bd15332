import { createHash } from 'node:crypto'
import { parseIdentifier, type TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { ModelDefinition, Pipeline } from '../../schemas/pipeline.js'

/** A model of a pipeline, with what it reads. */
export interface ResolvedModel {
  readonly pipeline: Pipeline
  readonly name: string
  readonly definition: ModelDefinition
  readonly sql: string
  /** The tables that the SQL reads. */
  readonly tables: readonly TableIdentifier[]
  /** SHA-256 of everything that gives the features their meaning; a model scores only what it was trained on. */
  readonly featuresDigest: string
}

export function modelOf(
  deps: LakeDeps,
  of: { readonly pipeline: string; readonly model: string },
): ResolvedModel {
  const pipeline = deps.pipelines.get(of.pipeline)
  if (pipeline === undefined) throw unknown('pipeline', of.pipeline, deps.pipelines.keys())
  const definition = pipeline.models?.[of.model]
  if (definition === undefined) throw unknown('model', of.model, Object.keys(pipeline.models ?? {}))
  const sql = pipeline.sqlTexts[definition.features]
  if (sql === undefined) {
    throw new FirnError(
      'config',
      `model "${of.model}": there is no SQL file ${definition.features} in ${pipeline.directory}. Correct \`features\` or add the file.`,
    )
  }
  const { numeric, categorical, firstK } = definition
  return {
    pipeline,
    name: of.model,
    definition,
    sql,
    tables: definition.reads.map((table) => parseIdentifier(`${pipeline.namespace}.${table}`)),
    featuresDigest: createHash('sha256')
      .update(JSON.stringify([sql, numeric, categorical, firstK]))
      .digest('hex'),
  }
}

function unknown(what: string, name: string, known: Iterable<string>): FirnError {
  const names = [...known].sort().join(', ') || 'none'
  return new FirnError('not-found', `there is no ${what} "${name}"; known are: ${names}. Correct the name.`)
}
