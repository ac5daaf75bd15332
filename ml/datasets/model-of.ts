import { createHash } from 'node:crypto'
import { parseIdentifier, type TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { FirnError } from '../../schemas/error.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
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
  const pipeline = findPipeline(deps.pipelines, of.pipeline)
  const models = pipeline.models ?? {}
  const definition = Object.hasOwn(models, of.model) ? models[of.model] : undefined
  if (definition === undefined) {
    const known = Object.keys(models).sort().join(', ') || 'none'
    throw new FirnError(
      'not-found',
      `there is no model "${of.model}"; known are: ${known}. Correct the name.`,
    )
  }
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
