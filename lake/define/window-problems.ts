import type { TableDefinition, WindowDefinition } from '../../schemas/pipeline.js'
import { parseDuration } from '../../schemas/duration.js'

/** The column of a window table that says when a row's window is over. */
export const WINDOW_END = 'window_end'

/** Columns that a window table's SQL finds in its source beside the document's and the envelope's. */
export const WINDOW_COLUMNS = ['_event_time', '_window_start', '_window_end'] as const

const LONGEST_MS = 31 * 86_400_000

/** What is wrong with the definition of a window table, by itself. */
export function windowProblems(table: TableDefinition): readonly string[] {
  const { window, schema, key, partition, write, sql } = table
  if (window === undefined) return []
  const type = schema[WINDOW_END]
  return [
    ...durationProblems(window),
    ...(sql === undefined ? ['window: its rows come from SQL; give it a sql file'] : []),
    ...(type === 'timestamptz!'
      ? []
      : [
          `schema: a window table needs ${WINDOW_END}: 'timestamptz!'${type === undefined ? '' : `, not '${type}'`}`,
        ]),
    ...(key.includes(WINDOW_END)
      ? []
      : [`key: a window table has one row a key and window: add ${WINDOW_END}`]),
    ...(write === 'overwrite-partitions'
      ? []
      : [
          `write: a window table is written by replacing its windows: say overwrite-partitions, not ${write}`,
        ]),
    ...(partition.some((expression) => sourceOf(expression) === WINDOW_END)
      ? []
      : [`partition: a window table is partitioned by its windows, e.g. day(${WINDOW_END})`]),
  ]
}

function durationProblems({ size, lateness }: WindowDefinition): readonly string[] {
  const sizeMs = parseDuration(size)
  const wrong = (name: string, text: string): string =>
    `window.${name}: '${text}' is not a time span: write e.g. 30s, 5m, 1h, 1d`
  return [
    ...(sizeMs === undefined ? [wrong('size', size)] : []),
    ...(sizeMs !== undefined && (sizeMs === 0 || sizeMs > LONGEST_MS)
      ? [`window.size: '${size}' is not between 1s and 31d`]
      : []),
    ...(lateness !== undefined && parseDuration(lateness) === undefined ? [wrong('lateness', lateness)] : []),
  ]
}

/** The column that a partition is a function of. */
function sourceOf(expression: string): string {
  return /^\s*(?:\w+\s*\(\s*)?(?:\d+\s*,\s*)?(\w+)\s*\)?\s*$/.exec(expression)?.[1] ?? ''
}
