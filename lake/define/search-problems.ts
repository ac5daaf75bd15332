import type { ModelDefinition, ModelTask } from '../../schemas/model-definitions.js'
import { ESTIMATOR_PARAMETERS } from '../../schemas/model-definitions.js'
import { estimatorShape } from './model-shape.js'
import { duplicates, noneNamed } from './name-problems.js'

const METRICS: Readonly<Record<ModelTask, readonly string[]>> = {
  'binary-classification': [
    ...['accuracy', 'precision', 'recall', 'f1', 'roc_auc', 'pr_auc', 'log_loss', 'brier'],
  ],
  'multiclass-classification': ['accuracy', 'f1_macro', 'log_loss'],
  regression: ['mae', 'rmse', 'r2'],
}

/** What is wrong with a model's search and gate: metrics that there are none of, parameters unknown or out of range. */
export function searchProblems(model: ModelDefinition): readonly string[] {
  const { gate, search, task } = model
  const known = METRICS[task]
  return [
    ...(gate === undefined || known.includes(gate.metric)
      ? []
      : [`gate.metric: ${noneNamed(`metric of a ${task}`, gate.metric, known)}`]),
    ...(search === undefined ? [] : spaceProblems(model, search).map((problem) => `search.${problem}`)),
  ]
}

function spaceProblems(
  model: ModelDefinition,
  search: NonNullable<ModelDefinition['search']>,
): readonly string[] {
  const { estimators } = model
  const estimator = Object.hasOwn(estimators, search.estimator) ? estimators[search.estimator] : undefined
  const metrics = METRICS[model.task].map((metric) => `cv_${metric.replace('roc_auc', 'auc')}_mean`)
  return [
    ...(model.validation === undefined
      ? ['metric: values are chosen by cross-validation; give the model a validation']
      : []),
    ...(search.metric === undefined || metrics.includes(search.metric.replace('cv_roc_auc_', 'cv_auc_'))
      ? []
      : [`metric: ${noneNamed('cross-validated metric', search.metric, metrics)}`]),
    ...(estimator === undefined
      ? [`estimator: ${noneNamed('estimator', search.estimator, Object.keys(estimators))}`]
      : Object.entries(search.space).flatMap(([parameter, values]) => [
          ...(estimator.kind === 'external' || ESTIMATOR_PARAMETERS[estimator.kind].includes(parameter)
            ? []
            : [
                `space.${parameter}: ${noneNamed(
                  `parameter of ${estimator.kind}`,
                  parameter,
                  ESTIMATOR_PARAMETERS[estimator.kind],
                )}`,
              ]),
          ...duplicates(values.map(String)).map((value) => `space.${parameter}: ${value} is given twice`),
          ...rangeProblems(estimator, parameter, values),
        ])),
  ]
}

/** Each value in the estimator's place must be one that its definition could have. */
function rangeProblems(
  estimator: ModelDefinition['estimators'][string],
  parameter: string,
  values: readonly (number | string)[],
): readonly string[] {
  if (estimator.kind === 'external' || !ESTIMATOR_PARAMETERS[estimator.kind].includes(parameter)) return []
  return values.flatMap((value) => {
    const { error } = estimatorShape.safeParse({ ...estimator, [parameter]: value })
    const own = error?.issues.filter(({ path }) => path[0] === parameter) ?? []
    return own.map(({ message }) => `space.${parameter}: ${value}: ${message}`)
  })
}
