import type { Data, RecordBatch } from 'apache-arrow'
import type { Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { FirnError } from '../../schemas/error.js'
import { typeText, type DatasetColumn } from './dataset-columns.js'

/** The bytes of a row; good until the next one is asked for. */
export type EncodeRow = (row: number) => Uint8Array

/**
 * Canonical bytes of rows. A null is the byte 0. Any other value is the tag of its type and then, all little-endian:
 *
 * | tag | type | bytes |
 * |---|---|---|
 * | 1 | boolean | 1: 0 or 1 |
 * | 2, 3 | int, date (days) | 4 |
 * | 4, 5, 6, 7, 8, 9 | long, time (µs), timestamp (µs), timestamptz (µs), timestamp_ns, timestamptz_ns | 8 |
 * | 10, 11 | float, double: IEEE 754, −0 is not 0, every NaN is 7FC00000 or 7FF8000000000000 | 4, 8 |
 * | 12 | string | 4: length in bytes, then UTF-8 |
 * | 13, 14 | binary, fixed | 4: length, then the bytes |
 * | 15 | uuid | 16, as it is written |
 * | 16 | decimal | 16: the unscaled number in two's complement |
 * | 17 | list | 4: number of elements, then each element as a value |
 */
export function rowEncoder(columns: readonly DatasetColumn[]): (batch: RecordBatch) => EncodeRow {
  const target = new Target()
  return (batch) => {
    const writers = columns.map((column) => {
      const at = batch.schema.fields.findIndex((field) => field.name === column.name)
      const data = batch.data.children[at]
      if (data === undefined) {
        const there = batch.schema.fields.map((field) => field.name).join(', ')
        throw broken(`there is no column "${column.name}", but ${there}`)
      }
      return writerOf(column, column.type, data, target)
    })
    return (row) => {
      target.length = 0
      for (const write of writers) write(row)
      return target.bytes.subarray(0, target.length)
    }
  }
}

/** Appends the value of a row. */
type Write = (row: number) => void

/** One buffer for all rows. */
class Target {
  bytes = new Uint8Array(4096)
  length = 0

  /** Where so many bytes may be written. */
  reserve(count: number): number {
    const at = this.length
    this.length += count
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, this.bytes.length * 2))
      larger.set(this.bytes.subarray(0, at))
      this.bytes = larger
    }
    return at
  }
}

function writerOf(column: DatasetColumn, type: Type, data: Data, target: Target): Write {
  const write = valueWriter(column, type, data, target)
  const { nullBitmap, offset } = data
  if (nullBitmap.length === 0) return write
  return (row) => {
    const bit = offset + row
    if ((((nullBitmap[bit >> 3] as number) >> (bit & 7)) & 1) === 1) write(row)
    else target.bytes[target.reserve(1)] = 0
  }
}

function valueWriter(column: DatasetColumn, type: Type, data: Data, target: Target): Write {
  const layout = layoutOf(type)
  const found = String(data.type as unknown)
  if (!layout.arrow.test(found)) {
    throw broken(
      `column "${column.name}" should hold ${typeText(column.type)}, but there is Arrow's ${found}`,
    )
  }
  const { tag } = layout
  switch (layout.kind) {
    case 'bit':
      return bitWriter(tag, data, target)
    case 'fixed':
      return fixedWriter(tag, bytesOf(data), layout.width, target)
    case 'float':
      return floatWriter(tag, data, target)
    case 'double':
      return doubleWriter(tag, data, target)
    case 'bytes':
      return bytesWriter(tag, data, target)
    case 'list': {
      const [child] = data.children
      if (isPrimitive(type) || type.type !== 'list' || child === undefined)
        throw broken('a list has no elements')
      return listWriter(tag, data, writerOf(column, type.element, child, target), target)
    }
  }
}

function bitWriter(tag: number, { values, offset }: Data, target: Target): Write {
  const bits = values as Uint8Array
  return (row) => {
    const at = target.reserve(2)
    const bit = offset + row
    target.bytes[at] = tag
    target.bytes[at + 1] = ((bits[bit >> 3] as number) >> (bit & 7)) & 1
  }
}

function fixedWriter(tag: number, source: Uint8Array, width: number, target: Target): Write {
  return (row) => {
    const at = target.reserve(1 + width)
    const { bytes } = target
    bytes[at] = tag
    const from = row * width
    for (let index = 0; index < width; index++) bytes[at + 1 + index] = source[from + index] as number
  }
}

function floatWriter(tag: number, data: Data, target: Target): Write {
  const values = data.values as Float32Array
  const write = fixedWriter(tag, bytesOf(data), 4, target)
  const writeNan = fixedWriter(tag, new Uint8Array([0, 0, 0xc0, 0x7f]), 4, target)
  return (row) => {
    const value = values[row] as number
    if (value === value) write(row)
    else writeNan(0)
  }
}

function doubleWriter(tag: number, data: Data, target: Target): Write {
  const values = data.values as Float64Array
  const write = fixedWriter(tag, bytesOf(data), 8, target)
  const writeNan = fixedWriter(tag, new Uint8Array([0, 0, 0, 0, 0, 0, 0xf8, 0x7f]), 8, target)
  return (row) => {
    const value = values[row] as number
    if (value === value) write(row)
    else writeNan(0)
  }
}

function bytesWriter(tag: number, data: Data, target: Target): Write {
  const source = data.values as Uint8Array
  const offsets = data.valueOffsets as Int32Array | undefined
  const width = data.stride
  return (row) => {
    const from = offsets === undefined ? row * width : (offsets[row] as number)
    const length = (offsets === undefined ? from + width : (offsets[row + 1] as number)) - from
    const at = writeLength(target, tag, length)
    target.reserve(length)
    const { bytes } = target
    if (length > 64) bytes.set(source.subarray(from, from + length), at)
    else for (let index = 0; index < length; index++) bytes[at + index] = source[from + index] as number
  }
}

function listWriter(tag: number, data: Data, writeElement: Write, target: Target): Write {
  const offsets = data.valueOffsets as Int32Array
  return (row) => {
    const [from, end] = [offsets[row] as number, offsets[row + 1] as number]
    writeLength(target, tag, end - from)
    for (let element = from; element < end; element++) writeElement(element)
  }
}

/** Returns where what is that long begins. */
function writeLength(target: Target, tag: number, length: number): number {
  const at = target.reserve(5)
  const { bytes } = target
  bytes[at] = tag
  bytes[at + 1] = length
  bytes[at + 2] = length >> 8
  bytes[at + 3] = length >> 16
  bytes[at + 4] = length >> 24
  return at + 5
}

function bytesOf({ values }: Data): Uint8Array {
  const array = values as Uint8Array
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** How values lie in Arrow, and Arrow's own name of the type. */
type Layout = { readonly tag: number; readonly arrow: RegExp } & (
  | { readonly kind: 'bit' | 'float' | 'double' | 'bytes' | 'list' }
  | { readonly kind: 'fixed'; readonly width: number }
)

const LAYOUTS: Readonly<Record<string, Layout>> = {
  boolean: { kind: 'bit', tag: 1, arrow: /^Bool$/ },
  int: { kind: 'fixed', tag: 2, width: 4, arrow: /^Int32$/ },
  date: { kind: 'fixed', tag: 3, width: 4, arrow: /^Date32<DAY>$/ },
  long: { kind: 'fixed', tag: 4, width: 8, arrow: /^Int64$/ },
  time: { kind: 'fixed', tag: 5, width: 8, arrow: /^Time64<MICROSECOND>$/ },
  timestamp: { kind: 'fixed', tag: 6, width: 8, arrow: /^Timestamp<MICROSECOND>$/ },
  timestamptz: { kind: 'fixed', tag: 7, width: 8, arrow: /^Timestamp<MICROSECOND, .+>$/ },
  timestamp_ns: { kind: 'fixed', tag: 8, width: 8, arrow: /^Timestamp<NANOSECOND>$/ },
  timestamptz_ns: { kind: 'fixed', tag: 9, width: 8, arrow: /^Timestamp<NANOSECOND(, .+)?>$/ },
  float: { kind: 'float', tag: 10, arrow: /^Float32$/ },
  double: { kind: 'double', tag: 11, arrow: /^Float64$/ },
  string: { kind: 'bytes', tag: 12, arrow: /^Utf8$/ },
  binary: { kind: 'bytes', tag: 13, arrow: /^Binary$/ },
  fixed: { kind: 'bytes', tag: 14, arrow: /^(Binary|FixedSizeBinary\[\d+\])$/ },
  uuid: { kind: 'fixed', tag: 15, width: 16, arrow: /^FixedSizeBinary\[16\]$/ },
  decimal: { kind: 'fixed', tag: 16, width: 16, arrow: /^Decimal\[/ },
  list: { kind: 'list', tag: 17, arrow: /^List</ },
}

function layoutOf(type: Type): Layout {
  const name = isPrimitive(type) ? (/^[a-z_]+/.exec(type)?.[0] ?? '') : type.type
  const layout = LAYOUTS[name]
  if (layout === undefined) {
    throw new FirnError(
      'invalid-input',
      `a data set has no columns of type ${name}: make its fields columns of their own`,
    )
  }
  return layout
}

function broken(reason: string): FirnError {
  return new FirnError(
    'contract-broken',
    `a batch of another data set: ${reason}. Build the data set again, with the columns it is said to have.`,
  )
}
