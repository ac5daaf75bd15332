import type { RecordBatch } from 'apache-arrow'
import type { ModelTask } from '../../schemas/model-definitions.js'
import type { SplitCount } from '../../schemas/model-messages.js'
import { textsOf } from './read-texts.js'

/** Counts rows by split (`all` for those without one) and, for classifications, by class; rows without a label by none. */
export function countSplits(task: ModelTask): {
  add(batch: RecordBatch): void
  finish(): Readonly<Record<string, SplitCount>>
} {
  const counts = new Map<string, { rows: number; readonly classes: Map<string, number> }>()
  return {
    add(batch) {
      const split = textsOf(batch, 'split')
      const label = classOf(batch)
      for (let row = 0; row < batch.numRows; row++) {
        const name = split(row) ?? 'all'
        let count = counts.get(name)
        if (count === undefined) counts.set(name, (count = { rows: 0, classes: new Map() }))
        count.rows++
        if (task === 'regression') continue
        const text = label(row)
        if (text !== null) count.classes.set(text, (count.classes.get(text) ?? 0) + 1)
      }
    },
    finish: () =>
      Object.fromEntries(
        sorted(counts).map(([name, { rows, classes }]) => [
          name,
          task === 'regression' ? { rows } : { rows, classes: Object.fromEntries(sorted(classes)) },
        ]),
      ),
  }
}

/** A class by its name, or as the number that it is. */
function classOf(batch: RecordBatch): (row: number) => string | null {
  const values = batch.getChild('label')
  if (values !== null && String(values.type) === 'Utf8') return textsOf(batch, 'label')
  return (row) => {
    const value = values?.get(row) as number | null | undefined
    return value === null || value === undefined ? null : String(value)
  }
}

function sorted<T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}
