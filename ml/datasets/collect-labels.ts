import type { RecordBatch } from 'apache-arrow'
import { FirnError } from '../../schemas/error.js'
import type { ModelTask } from '../../schemas/model-definitions.js'
import { columnOf, textsOf } from './read-texts.js'
import type { TrainingTable } from './training-table.js'

export interface LabelsOptions {
  readonly task: ModelTask
  readonly labels?: 'optional'
}

/** Labels out of all batches. Errors: FirnError `training-failed` where one is missing or not what the task predicts. */
export function collectLabels(rows: number, { task, labels: presence }: LabelsOptions) {
  const found: (string | number | null)[] = []
  return {
    add(batch: RecordBatch, start: number): void {
      const label = labelsOf(batch)
      for (let row = 0; row < batch.numRows; row++) {
        const value = label(row)
        const isLabel = value !== null && fits(task, value)
        // Who is to be scored may have a label that nobody could learn from yet.
        if (!isLabel && presence !== 'optional') throw badLabel(task, start + row, value)
        found.push(isLabel ? value : null)
      }
    },
    finish(): Pick<TrainingTable, 'labels' | 'classes'> {
      if (task === 'multiclass-classification') return classesOf(found)
      const labels = new Float64Array(rows)
      for (const [row, value] of found.entries()) labels[row] = value === null ? NaN : (value as number)
      return { labels }
    },
  }
}

function labelsOf(batch: RecordBatch): (row: number) => string | number | null {
  const data = columnOf(batch, 'label')
  if (data?.values instanceof Float64Array) {
    const values: Float64Array = data.values
    return (row) => (data.getValid(row) ? (values[row] as number) : null)
  }
  return textsOf(batch, 'label')
}

function fits(task: ModelTask, value: string | number): boolean {
  switch (task) {
    case 'binary-classification':
      return value === 0 || value === 1
    case 'regression':
      return Number.isFinite(value)
    case 'multiclass-classification':
      return typeof value === 'string' || Number.isFinite(value)
  }
}

/** Texts in the order of their UTF-16 units, numbers by size. */
function classesOf(found: readonly (string | number | null)[]): Pick<TrainingTable, 'labels' | 'classes'> {
  const distinct = [...new Set(found)].filter((value) => value !== null)
  distinct.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  const indexes = new Map(distinct.map((value, index) => [value, index]))
  const labels = Float64Array.from(found, (value) => (value === null ? NaN : (indexes.get(value) ?? NaN)))
  return { labels, classes: distinct.map(String) }
}

const WANTED: Readonly<Record<ModelTask, string>> = {
  'binary-classification': 'true or false, or 0 or 1',
  'multiclass-classification': "a class's name or number",
  regression: 'a finite number',
}

function badLabel(task: ModelTask, row: number, value: string | number | null): FirnError {
  return new FirnError(
    'training-failed',
    `row ${row} of the data set has the label ${value === null ? 'null' : JSON.stringify(String(value))}, and a ${task} needs ${WANTED[task]}: correct the label view's SQL, or the model's task`,
    { context: { row, task } },
  )
}
