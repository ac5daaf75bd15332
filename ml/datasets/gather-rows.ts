import type { Data, Field } from 'apache-arrow'
import { makeData, RecordBatch, Schema, Struct } from 'apache-arrow'

/** Rows of several batches of one schema, by batch and row: `from[i]`, `rows[i]`. */
export interface Picks {
  readonly from: Uint32Array
  readonly rows: Uint32Array
}

/** Copies the rows picked, in their order, into one batch of the columns named. */
export function gatherRows(
  batches: readonly RecordBatch[],
  picks: Picks,
  columns?: readonly string[],
): RecordBatch {
  const [first] = batches as [RecordBatch, ...RecordBatch[]]
  const all = first.schema.fields
  const wanted = columns?.map((name) => all.findIndex((field) => field.name === name)) ?? all.keys()
  const fields: Field[] = []
  const children: Data[] = []
  for (const column of wanted) {
    fields.push(all[column] as Field)
    const sources = batches.map((batch) => batch.data.children[column] as Data)
    children.push(gather(sources, picks))
  }
  const data = makeData({ type: new Struct(fields), length: picks.rows.length, nullCount: 0, children })
  return new RecordBatch(new Schema(fields), data)
}

function gather(sources: readonly Data[], picks: Picks): Data {
  const [first] = sources as [Data, ...Data[]]
  const base = { type: first.type, length: picks.rows.length, ...validity(sources, picks) }
  const make = (parts: object): Data => makeData({ ...base, ...parts } as never)
  if (first.children.length > 0) return make(gatherLists(sources, picks))
  if (first.valueOffsets !== undefined) return make(gatherBytes(sources, picks))
  if (String(first.type as unknown) === 'Bool') {
    const bits = sources.map(({ values, offset }) => ({ bits: values as Uint8Array, offset }))
    return make({ data: gatherBits(bits, picks) })
  }
  return make({ data: gatherFixed(sources, picks) })
}

type Values = Float64Array | BigInt64Array

function gatherFixed(sources: readonly Data[], { from, rows }: Picks): ArrayBufferView {
  const [first] = sources as [Data, ...Data[]]
  const arrays = sources.map(({ values }) => values as Values)
  const { stride } = first
  const length = rows.length * stride
  const make = (first.values as { readonly constructor: unknown }).constructor as new (
    length: number,
  ) => Float64Array
  const target = new make(length)
  for (let index = 0; index < rows.length; index++) {
    const values = arrays[from[index] as number] as Float64Array
    const at = (rows[index] as number) * stride
    if (stride === 1) target[index] = values[at] as number
    else for (let part = 0; part < stride; part++) target[index * stride + part] = values[at + part] as number
  }
  return target
}

function gatherBytes(sources: readonly Data[], { from, rows }: Picks): object {
  const offsets = sources.map(({ valueOffsets }) => valueOffsets as unknown as Int32Array)
  const values = sources.map((source) => source.values as Uint8Array)
  const valueOffsets = new Int32Array(rows.length + 1)
  for (let index = 0; index < rows.length; index++) {
    const own = offsets[from[index] as number] as Int32Array
    const row = rows[index] as number
    valueOffsets[index + 1] =
      (valueOffsets[index] as number) + (own[row + 1] as number) - (own[row] as number)
  }
  const data = new Uint8Array(valueOffsets[rows.length] as number)
  for (let index = 0; index < rows.length; index++) {
    const source = from[index] as number
    const bytes = values[source] as Uint8Array
    const start = (offsets[source] as Int32Array)[rows[index] as number] as number
    const [at, end] = [valueOffsets[index] as number, valueOffsets[index + 1] as number]
    if (end - at > 64) data.set(bytes.subarray(start, start + end - at), at)
    else for (let byte = at; byte < end; byte++) data[byte] = bytes[start + byte - at] as number
  }
  return { valueOffsets, data }
}

/** The elements of the lists picked are picked in turn. */
function gatherLists(sources: readonly Data[], { from, rows }: Picks): object {
  const offsets = sources.map(({ valueOffsets }) => valueOffsets as unknown as Int32Array)
  const valueOffsets = new Int32Array(rows.length + 1)
  for (let index = 0; index < rows.length; index++) {
    const own = offsets[from[index] as number] as Int32Array
    const row = rows[index] as number
    valueOffsets[index + 1] =
      (valueOffsets[index] as number) + (own[row + 1] as number) - (own[row] as number)
  }
  const total = valueOffsets[rows.length] as number
  const elements = { from: new Uint32Array(total), rows: new Uint32Array(total) }
  for (let index = 0; index < rows.length; index++) {
    const source = from[index] as number
    const start = (offsets[source] as Int32Array)[rows[index] as number] as number
    const [at, end] = [valueOffsets[index] as number, valueOffsets[index + 1] as number]
    elements.from.fill(source, at, end)
    for (let element = at; element < end; element++) elements.rows[element] = start + element - at
  }
  const child = gather(
    sources.map(({ children }) => children[0] as Data),
    elements,
  )
  return { valueOffsets, child }
}

function validity(sources: readonly Data[], picks: Picks): { nullCount: number; nullBitmap?: Uint8Array } {
  if (sources.every((source) => source.nullBitmap.length === 0)) return { nullCount: 0 }
  const bitmaps = sources.map(({ nullBitmap, offset }) => ({ bits: nullBitmap, offset }))
  const nullBitmap = gatherBits(bitmaps, picks)
  let valid = 0
  for (let byte of nullBitmap) for (; byte > 0; byte >>= 1) valid += byte & 1
  return { nullCount: picks.rows.length - valid, nullBitmap }
}

/** Sources without bits have all of them set. */
function gatherBits(
  sources: readonly { readonly bits: Uint8Array; readonly offset: number }[],
  { from, rows }: Picks,
): Uint8Array {
  const target = new Uint8Array(Math.ceil(rows.length / 8))
  for (let index = 0; index < rows.length; index++) {
    const { bits, offset } = sources[from[index] as number] as (typeof sources)[number]
    const at = offset + (rows[index] as number)
    const bit = bits.length === 0 ? 1 : ((bits[at >> 3] as number) >> (at & 7)) & 1
    target[index >> 3] = (target[index >> 3] as number) | (bit << (index & 7))
  }
  return target
}
