import type { Data, RecordBatch } from 'apache-arrow'

/** Texts of a column, null where there is none. */
export function textsOf(batch: RecordBatch, column: string): (row: number) => string | null {
  const data = columnOf(batch, column) as Data
  const offsets = data.valueOffsets as Int32Array
  const bytes = data.values as Uint8Array
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return (row) => (data.getValid(row) ? buffer.toString('utf8', offsets[row], offsets[row + 1]) : null)
}

export function columnOf(batch: RecordBatch, column: string): Data | undefined {
  return batch.data.children[batch.schema.fields.findIndex((field) => field.name === column)]
}
