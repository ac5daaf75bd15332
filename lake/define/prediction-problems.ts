import type { LabelViewDefinition } from '../../schemas/feature-definitions.js'
import { PREDICTION_COLUMNS } from '../../schemas/lake-tables.js'
import type { ModelDefinition } from '../../schemas/model-definitions.js'
import type { PipelineDefinition, TableDefinition } from '../../schemas/pipeline.js'
import { joinKeysOf } from './feature-problems.js'
import { noneNamed } from './name-problems.js'

/** What is wrong with the table that a model's predictions go to. */
export function predictionProblems(
  definition: PipelineDefinition,
  model: ModelDefinition,
  labels: LabelViewDefinition | undefined,
): readonly string[] {
  const { tables } = definition
  const table = Object.hasOwn(tables, model.predictions) ? tables[model.predictions] : undefined
  if (table === undefined) {
    return [`predictions: ${noneNamed('table', model.predictions, Object.keys(tables))}`]
  }
  const keys = labels === undefined ? [] : joinKeysOf(definition, labels.entities)
  return [
    ...(table.sql === undefined ? [] : ['it has SQL; predictions need a table that nothing else writes']),
    ...columnProblems(model, table, keys),
    ...keyProblems(table, keys),
  ].map((problem) => `predictions: table ${model.predictions}: ${problem}`)
}

function columnProblems(
  model: ModelDefinition,
  table: TableDefinition,
  keys: readonly string[],
): readonly string[] {
  const typeOf = (column: string): string | undefined => table.schema[column]?.replace(/!$/, '')
  const constants = Object.entries(model.constants ?? {})
  const written = new Set([
    ...Object.keys(PREDICTION_COLUMNS),
    ...keys,
    ...constants.map(([column]) => column),
  ])
  return [
    ...Object.entries(PREDICTION_COLUMNS).flatMap(([column, wanted]) => {
      const type = typeOf(column)
      if (type === undefined) return [`it lacks the column ${column} (${wanted})`]
      // The class that is predicted has a name.
      const isClass = column === 'prediction' && model.task === 'multiclass-classification'
      return type === wanted || isClass ? [] : [`its column ${column} is ${type}, not ${wanted}`]
    }),
    ...keys
      .filter((column) => typeOf(column) === undefined)
      .map((column) => `it lacks the join key ${column} of label view ${model.labels}`),
    ...constants.flatMap(([column, value]) => {
      const type = typeOf(column)
      if (type === undefined) return [`it lacks the column ${column} of \`constants\``]
      return fits(type, value)
        ? []
        : [`its column ${column} is ${type}, the constant is ${JSON.stringify(value)}`]
    }),
    ...Object.entries(table.schema)
      .filter(([column, type]) => type.endsWith('!') && !written.has(column))
      .map(([column]) => `its column ${column} is required, and no prediction has it`),
  ]
}

function keyProblems(table: TableDefinition, keys: readonly string[]): readonly string[] {
  const days = ['score_date', 'model']
  return [
    ...(table.write === 'overwrite-partitions'
      ? []
      : [`a scoring replaces its day, so write must be overwrite-partitions, not ${table.write}`]),
    ...days
      .filter((column) => !table.partition.includes(column))
      .map((column) => `a scoring replaces the day of its model, so partition must name ${column}`),
    ...[...days, ...keys]
      .filter((column) => !table.key.includes(column))
      .map((column) => `one row a day, model and entity: its key must name ${column}`),
  ]
}

function fits(type: string, value: number | string): boolean {
  if (typeof value === 'string') return type === 'string'
  return /^(float|double)$/.test(type) || (/^(int|long)$/.test(type) && Number.isSafeInteger(value))
}
