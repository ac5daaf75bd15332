import type { Fractions, SplitDefinition } from '../../schemas/feature-definitions.js'
import type { PipelineDefinition } from '../../schemas/pipeline.js'
import { noneNamed } from './name-problems.js'

/** What is wrong with a split version, each with the member that is wrong. */
export function splitProblems(definition: PipelineDefinition, split: SplitDefinition): readonly string[] {
  const views = definition.labelViews ?? {}
  const labels = Object.hasOwn(views, split.labels) ? views[split.labels] : undefined
  const { method, seed } = split
  return [
    ...(labels === undefined ? [`labels: ${noneNamed('label view', split.labels, Object.keys(views))}`] : []),
    ...(Number.isSafeInteger(seed) ? [] : [`seed: ${seed} is not a whole number below 2^53`]),
    ...(method.kind === 'time' ? timeProblems(method) : fractionProblems(method.fractions)),
    ...(method.kind === 'hash' && method.by === 'group' && labels !== undefined && labels.group === undefined
      ? [`method.by: label view ${split.labels} has no group; give it one, or split by entity`]
      : []),
    ...(method.kind === 'stratified' && labels?.type === 'double'
      ? [`method: label view ${split.labels} has numbers, which have no classes; split by hash`]
      : []),
  ]
}

function fractionProblems({ train, val, test }: Fractions): readonly string[] {
  const sum = train + val + test
  return [
    ...(Math.abs(sum - 1) <= 1e-9
      ? []
      : [`method.fractions: ${train} + ${val} + ${test} is ${Number(sum.toPrecision(12))}, not 1`]),
    ...(train > 0 ? [] : ['method.fractions.train: nothing would be trained on; give it a share']),
  ]
}

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z$/

function timeProblems(method: { readonly valFrom: string; readonly testFrom: string }): readonly string[] {
  const wrong = (['valFrom', 'testFrom'] as const).filter(
    (name) => !INSTANT.test(method[name]) || Number.isNaN(Date.parse(method[name])),
  )
  if (wrong.length > 0) {
    return wrong.map(
      (name) => `method.${name}: '${method[name]}' is not an instant in UTC: write e.g. 2026-07-01T00:00:00Z`,
    )
  }
  return Date.parse(method.valFrom) <= Date.parse(method.testFrom)
    ? []
    : [`method.testFrom: ${method.testFrom} is before valFrom ${method.valFrom}; val comes before test`]
}
