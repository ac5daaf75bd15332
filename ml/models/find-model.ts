import { FirnError } from '../../schemas/error.js'
import { findPipeline } from '../../schemas/find-pipeline.js'
import type { EstimatorDefinition, ModelDefinition } from '../../schemas/model-definitions.js'
import { ESTIMATOR_PARAMETERS } from '../../schemas/model-definitions.js'
import type { Pipeline } from '../../schemas/pipeline.js'

export interface FoundModel {
  readonly pipeline: Pipeline
  readonly name: string
  readonly definition: ModelDefinition
}

/** A model by its pipeline's and its own name; `not-found` tells which there are. */
export function findModel(
  pipelines: ReadonlyMap<string, Pipeline>,
  of: { readonly pipeline: string; readonly model: string },
): FoundModel {
  const pipeline = findPipeline(pipelines, of.pipeline)
  const models = pipeline.models ?? {}
  const definition = Object.hasOwn(models, of.model) ? models[of.model] : undefined
  if (definition !== undefined) return { pipeline, name: of.model, definition }
  const known = Object.keys(models).sort().join(', ') || 'none'
  throw new FirnError(
    'not-found',
    `pipeline "${pipeline.name}" has no model "${of.model}"; known are: ${known}. Correct the name.`,
  )
}

export interface ChosenEstimator {
  readonly name: string
  readonly definition: EstimatorDefinition
}

/** The estimator of that name (default: the model's first), with parameters changed; `invalid-input` for unknown ones. */
export function chooseEstimator(
  { name: model, definition }: FoundModel,
  choice: {
    readonly estimator?: string
    readonly parameters?: Readonly<Record<string, number | string>>
  },
): ChosenEstimator {
  const names = Object.keys(definition.estimators)
  const name = choice.estimator ?? names[0] ?? ''
  const estimator = Object.hasOwn(definition.estimators, name) ? definition.estimators[name] : undefined
  if (estimator === undefined) {
    throw new FirnError(
      'not-found',
      `model "${model}" has no estimator "${name}"; known are: ${names.join(', ')}. Correct the name.`,
    )
  }
  const allowed = ESTIMATOR_PARAMETERS[estimator.kind]
  const unknown = Object.keys(choice.parameters ?? {}).find((parameter) => !allowed.includes(parameter))
  if (unknown !== undefined && estimator.kind !== 'external') {
    throw new FirnError(
      'invalid-input',
      `the estimator "${name}" (${estimator.kind}) has no parameter "${unknown}" that can be changed; there are: ${allowed.join(', ')}. Correct it.`,
    )
  }
  const changed =
    estimator.kind === 'external'
      ? { parameters: { ...estimator.parameters, ...choice.parameters } }
      : choice.parameters
  return { name, definition: { ...estimator, ...changed } }
}
