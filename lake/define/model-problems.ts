import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import type { LabelViewDefinition } from '../../schemas/feature-definitions.js'
import type { EstimatorDefinition, ModelDefinition, ModelTask } from '../../schemas/model-definitions.js'
import type { PipelineDefinition } from '../../schemas/pipeline.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { attempt } from './attempt.js'
import { joinKeysOf, serviceColumns } from './feature-problems.js'
import { duplicates, noneNamed } from './name-problems.js'
import { predictionProblems } from './prediction-problems.js'
import { searchProblems } from './search-problems.js'

/** What is wrong with a model, each with the member that is wrong. */
export function modelProblems(definition: PipelineDefinition, model: ModelDefinition): readonly string[] {
  const { featureServices = {}, labelViews = {} } = definition
  const labels = Object.hasOwn(labelViews, model.labels) ? labelViews[model.labels] : undefined
  const service = Object.hasOwn(featureServices, model.service) ? featureServices[model.service] : undefined
  const columns =
    service === undefined
      ? undefined
      : new Map(serviceColumns(definition, service).columns.map(({ column, type }) => [column, typeOf(type)]))
  return [
    ...(service === undefined
      ? [`service: ${noneNamed('feature service', model.service, Object.keys(featureServices))}`]
      : []),
    ...(labels === undefined
      ? [`labels: ${noneNamed('label view', model.labels, Object.keys(labelViews))}`]
      : [...taskProblems(model, labels), ...entityProblems(definition, model, labels)]),
    ...splitProblems(definition, model),
    ...validationProblems(model, labels),
    ...(columns === undefined
      ? []
      : [...columnProblems(model, columns), ...estimatorColumnProblems(model, columns)]),
    ...Object.entries(model.estimators).flatMap(([name, estimator]) =>
      estimatorProblems(model, estimator).map((problem) => `estimators.${name}${problem}`),
    ),
    ...searchProblems(model),
    ...predictionProblems(definition, model, labels),
  ]
}

/** Types of the service's columns; undefined where the view's own text of it is wrong, which is told there. */
type Columns = ReadonlyMap<string, Type | undefined>

function typeOf(short: string): Type | undefined {
  const schema = attempt(() => parseTableSchema({ column: short }))
  return typeof schema === 'string' ? undefined : schema.fields[0]?.type
}

const LABEL_TYPES: Readonly<Record<ModelTask, LabelViewDefinition['type']>> = {
  'binary-classification': 'boolean',
  'multiclass-classification': 'string',
  regression: 'double',
}

function taskProblems({ task, labels }: ModelDefinition, { type }: LabelViewDefinition): readonly string[] {
  const wanted = LABEL_TYPES[task]
  return type === wanted ? [] : [`task: ${task} needs ${wanted} labels, those of ${labels} are ${type}`]
}

/** Features are joined by their views' keys, which the rows of the label view must have. */
function entityProblems(
  definition: PipelineDefinition,
  { service, labels }: ModelDefinition,
  view: LabelViewDefinition,
): readonly string[] {
  const found = definition.featureServices?.[service]
  const keys = joinKeysOf(definition, view.entities)
  const views = new Set(
    found === undefined ? [] : serviceColumns(definition, found).columns.map((column) => column.view),
  )
  return [...views].flatMap((name) =>
    joinKeysOf(definition, definition.featureViews?.[name]?.entities ?? [])
      .filter((key) => !keys.includes(key))
      .map(
        (key) =>
          `service: its view ${name} is joined by ${key}, which label view ${labels} does not have among ${keys.join(', ') || 'its entities'}`,
      ),
  )
}

/** A split of another label view fits where both are of the same entities: a row that it lacks is told when it is read. */
function splitProblems(
  { splits = {}, labelViews = {} }: PipelineDefinition,
  model: ModelDefinition,
): readonly string[] {
  if (model.split === undefined) return []
  const split = Object.hasOwn(splits, model.split) ? splits[model.split] : undefined
  if (split === undefined) return [`split: ${noneNamed('split', model.split, Object.keys(splits))}`]
  const [splitOf, own] = [split.labels, model.labels].map((name) => labelViews[name]?.entities.join(', '))
  return splitOf === own || splitOf === undefined || own === undefined
    ? []
    : [
        `split: ${model.split} is of ${splitOf} (label view ${split.labels}), the model is of ${own} (${model.labels})`,
      ]
}

function validationProblems(
  model: ModelDefinition,
  labels: LabelViewDefinition | undefined,
): readonly string[] {
  const { task, split, validation, calibration, classWeights } = model
  const isRegression = task === 'regression'
  return [
    ...(validation?.kind === 'leave-one-group-out' && labels !== undefined && labels.group === undefined
      ? [`validation: label view ${model.labels} has no group to leave out; give it one, or use k-fold`]
      : []),
    ...(isRegression && calibration !== undefined
      ? ['calibration: it turns scores into probabilities, which a regression has none of; leave it out']
      : []),
    ...(!isRegression && calibration !== undefined && split === undefined && validation === undefined
      ? ['calibration: it is fitted on rows held out; give the model a split or a validation']
      : []),
    ...(isRegression && classWeights !== undefined
      ? ['classWeights: a regression has no classes; leave it out']
      : []),
  ]
}

function columnProblems(model: ModelDefinition, columns: Columns): readonly string[] {
  const { offset, baselineOnly = [], task } = model
  const known = [...columns.keys()]
  const left = known.filter((column) => !baselineOnly.includes(column))
  return [
    ...(offset !== undefined && task !== 'regression'
      ? ['offset: only a regression predicts what is left of a number; leave it out']
      : []),
    ...(offset !== undefined && !columns.has(offset)
      ? [`offset: ${noneNamed(`feature of ${model.service}`, offset, known)}`]
      : []),
    ...(offset !== undefined && columns.has(offset) && !isNumber(columns.get(offset))
      ? [`offset: ${offset} is ${nameOf(columns.get(offset))}, not a number`]
      : []),
    ...baselineOnly
      .filter((column) => !columns.has(column))
      .map((column) => `baselineOnly: ${noneNamed(`feature of ${model.service}`, column, known)}`),
    ...duplicates(baselineOnly).map((column) => `baselineOnly: ${column} is named twice`),
    ...(left.length === 0 && known.length > 0 ? ['baselineOnly: no feature is left for the model'] : []),
    ...[...columns]
      .filter(([, type]) => type !== undefined && kindOf(type) === undefined)
      .map(
        ([column, type]) =>
          `service: feature ${column} is ${nameOf(type)}; a model takes numbers, booleans, strings and lists of numbers`,
      ),
  ]
}

/** A list is a picture to one kind of model, and nothing to all others. */
function estimatorColumnProblems(model: ModelDefinition, columns: Columns): readonly string[] {
  const seen = [...columns].filter(([column]) => !(model.baselineOnly ?? []).includes(column))
  const tensors = seen.filter(([, type]) => kindOf(type) === 'tensor').map(([column]) => column)
  return Object.entries(model.estimators).flatMap(([name, { kind, preprocessing = [] }]) => {
    const at = `estimators.${name}`
    const unknown = preprocessing.flatMap(({ columns: named = [] }, i) =>
      named
        .filter((column) => !seen.some(([one]) => one === column))
        .map(
          (column) =>
            `${at}.preprocessing.${i}.columns: ${noneNamed(
              `feature of ${model.service} that the model sees`,
              column,
              seen.map(([one]) => one),
            )}`,
        ),
    )
    if (kind === 'external') return unknown
    if (kind !== 'cnn') {
      return [
        ...unknown,
        ...tensors.map((column) => `${at}: feature ${column} is a list of numbers, which only cnn takes`),
      ]
    }
    return tensors.length === 1 && seen.length === 1
      ? unknown
      : [
          ...unknown,
          `${at}: cnn sees one feature, a list of numbers; service ${model.service} has ${seen.map(([column]) => column).join(', ')}`,
        ]
  })
}

function estimatorProblems(model: ModelDefinition, estimator: EstimatorDefinition): readonly string[] {
  const stops = 'earlyStopping' in estimator
  const isRegression = model.task === 'regression'
  return [
    ...(stops && model.split === undefined
      ? ['.earlyStopping: it watches the rows of `val`; give the model a split']
      : []),
    ...(estimator.kind === 'logistic' && isRegression
      ? [': logistic tells classes apart; for a regression use ridge']
      : []),
    ...(estimator.kind === 'ridge' && !isRegression
      ? [': ridge predicts a number; for classes use logistic']
      : []),
    ...(estimator.kind === 'cnn' ? cnnProblems(estimator) : []),
  ]
}

function cnnProblems({
  shape,
  convolutions,
}: Extract<EstimatorDefinition, { kind: 'cnn' }>): readonly string[] {
  let [height, width] = shape
  return convolutions.flatMap(({ size }, i) => {
    const problems =
      size > Math.min(height, width)
        ? [
            `.convolutions.${i}: size ${size} is more than the ${height} × ${width} that are left of ${shape.join(' × ')}`,
          ]
        : height < 2 || width < 2
          ? [`.convolutions.${i}: of ${height} × ${width} no pooling is left; use fewer convolutions`]
          : []
    height = Math.floor(height / 2)
    width = Math.floor(width / 2)
    return problems
  })
}

function kindOf(type: Type | undefined): 'number' | 'category' | 'tensor' | undefined {
  if (type === undefined) return undefined
  if (isPrimitive(type)) {
    if (type === 'string') return 'category'
    return type === 'boolean' || isNumber(type) ? 'number' : undefined
  }
  return type.type === 'list' && isNumber(type.element) ? 'tensor' : undefined
}

function isNumber(type: Type | undefined): boolean {
  return type !== undefined && isPrimitive(type) && /^(int|long|float|double|decimal.*)$/.test(type)
}

function nameOf(type: Type | undefined): string {
  if (type === undefined) return 'of no known type'
  return isPrimitive(type) ? type : type.type
}
