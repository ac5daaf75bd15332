import type { SplitDefinition } from '../../schemas/feature-definitions.js'

/** A method in one line, e.g. `hash by entity 0.8/0.1/0.1`: what the rows of a version say they were assigned by. */
export function describeMethod({ method }: Pick<SplitDefinition, 'method'>): string {
  if (method.kind === 'time') {
    const [val, test] = [method.valFrom, method.testFrom].map((text) => new Date(text).toISOString())
    return `time val from ${val ?? ''} test from ${test ?? ''}`
  }
  const { train, val, test } = method.fractions
  const how = method.kind === 'hash' ? `hash by ${method.by}` : 'stratified'
  return `${how} ${train}/${val}/${test}`
}
