import type { DuckDBType } from '@duckdb/node-api'
import { DuckDBArrayType, DuckDBDecimalType, DuckDBListType, DuckDBTypeId } from '@duckdb/node-api'
import type { Vector } from '@duckdb/node-bindings'
import duckdb from '@duckdb/node-bindings'
import type { Data, DataType } from 'apache-arrow'
import * as arrow from 'apache-arrow'
import { EngineError } from '../engine.js'
import { Bytes } from './growing-bytes.js'
import { Validity } from './arrow-validity.js'
import { VarBytes } from './vector-strings.js'

/**
 * Values of one column on their way from DuckDB's vectors to a batch of Arrow. Vectors belong to their chunk, which is no
 * longer than it is referred to: values are copied, a whole run at a time where the two lay them out alike.
 */
export interface VectorColumn {
  readonly type: DataType
  /** The vector that `append` takes rows of. */
  read(vector: Vector, rows: number): void
  append(start: number, count: number): void
  /** Of what was appended since the last `finish`. */
  readonly byteLength: number
  /** Hands the values over and starts anew. What lies below a null is zero: equal values are equal bytes. */
  finish(): Data
}

/**
 * With `reuse` what `finish` gives is written over by the next `append`. Errors: EngineError `unsupported`, for types that
 * Arrow or a data set has no like of.
 */
export function vectorColumn(name: string, type: DuckDBType, reuse: boolean): VectorColumn {
  if (type instanceof DuckDBListType) return new Lists(vectorColumn(name, type.valueType, reuse), reuse)
  if (type instanceof DuckDBArrayType) {
    return new Lists(vectorColumn(name, type.valueType, reuse), reuse, type.length)
  }
  if (type instanceof DuckDBDecimalType) return new Decimals(type, reuse)
  const plain = PLAIN[type.typeId]
  if (plain !== undefined) return new Plain(...plain, reuse)
  const other = OTHERS[type.typeId]
  if (other !== undefined) return other(reuse)
  throw new EngineError(
    'unsupported',
    `column "${name}" is of type ${String(type)}, which a stream does not carry: cast it in the SELECT, e.g. to DOUBLE, DECIMAL(38, 0) or VARCHAR, or name its fields one by one`,
    { context: { column: name, type: String(type) } },
  )
}

const OTHERS: Readonly<Partial<Record<DuckDBTypeId, (reuse: boolean) => VectorColumn>>> = {
  [DuckDBTypeId.BOOLEAN]: (reuse) => new Booleans(reuse),
  [DuckDBTypeId.VARCHAR]: (reuse) => new Texts(new arrow.Utf8(), reuse),
  [DuckDBTypeId.BLOB]: (reuse) => new Texts(new arrow.Binary(), reuse),
  [DuckDBTypeId.UUID]: (reuse) => new Uuids(reuse),
}

type View = new (buffer: ArrayBuffer, offset: number, length: number) => ArrayBufferView

/** Laid out alike in DuckDB and Arrow: type, bytes a value, the array that Arrow's library wants it in. */
const PLAIN: Readonly<Partial<Record<DuckDBTypeId, readonly [DataType, number, View]>>> = {
  [DuckDBTypeId.TINYINT]: [new arrow.Int8(), 1, Int8Array],
  [DuckDBTypeId.SMALLINT]: [new arrow.Int16(), 2, Int16Array],
  [DuckDBTypeId.INTEGER]: [new arrow.Int32(), 4, Int32Array],
  [DuckDBTypeId.BIGINT]: [new arrow.Int64(), 8, BigInt64Array],
  [DuckDBTypeId.UTINYINT]: [new arrow.Uint8(), 1, Uint8Array],
  [DuckDBTypeId.USMALLINT]: [new arrow.Uint16(), 2, Uint16Array],
  [DuckDBTypeId.UINTEGER]: [new arrow.Uint32(), 4, Uint32Array],
  [DuckDBTypeId.UBIGINT]: [new arrow.Uint64(), 8, BigUint64Array],
  [DuckDBTypeId.FLOAT]: [new arrow.Float32(), 4, Float32Array],
  [DuckDBTypeId.DOUBLE]: [new arrow.Float64(), 8, Float64Array],
  [DuckDBTypeId.DATE]: [new arrow.DateDay(), 4, Int32Array],
  [DuckDBTypeId.TIME]: [new arrow.TimeMicrosecond(), 8, BigInt64Array],
  [DuckDBTypeId.TIMESTAMP]: [new arrow.TimestampMicrosecond(), 8, BigInt64Array],
  [DuckDBTypeId.TIMESTAMP_TZ]: [new arrow.TimestampMicrosecond('UTC'), 8, BigInt64Array],
  [DuckDBTypeId.TIMESTAMP_S]: [new arrow.TimestampSecond(), 8, BigInt64Array],
  [DuckDBTypeId.TIMESTAMP_MS]: [new arrow.TimestampMillisecond(), 8, BigInt64Array],
  [DuckDBTypeId.TIMESTAMP_NS]: [new arrow.TimestampNanosecond(), 8, BigInt64Array],
}

/** Values of a fixed number of bytes. */
abstract class Fixed implements VectorColumn {
  protected source: Uint8Array = NO_BYTES
  private readonly values: Bytes
  private readonly validity = new Validity()

  protected constructor(
    readonly type: DataType,
    /** Bytes of a value in DuckDB, and in Arrow. */
    private readonly from: number,
    private readonly to: number,
    reuse: boolean,
  ) {
    this.values = new Bytes(reuse)
  }

  read(vector: Vector, rows: number): void {
    this.source = duckdb.vector_get_data(vector, rows * this.from)
    this.validity.read(vector, rows)
  }

  append(start: number, count: number): void {
    const at = this.values.grow(count * this.to)
    this.copy(this.values.bytes, at, start, count)
    this.validity.append(start, count, (index) => {
      this.values.bytes.fill(0, at + index * this.to, at + (index + 1) * this.to)
    })
  }

  get byteLength(): number {
    return this.values.length
  }

  finish(): Data {
    const data = this.view(this.values.take())
    return arrow.makeData({ type: this.type, ...this.validity.take(), data } as never)
  }

  protected abstract copy(target: Uint8Array, at: number, start: number, count: number): void

  protected view(bytes: Uint8Array): ArrayBufferView {
    return bytes
  }
}

class Plain extends Fixed {
  constructor(
    type: DataType,
    private readonly width: number,
    private readonly array: View,
    reuse: boolean,
  ) {
    super(type, width, width, reuse)
  }

  protected copy(target: Uint8Array, at: number, start: number, count: number): void {
    target.set(this.source.subarray(start * this.width, (start + count) * this.width), at)
  }

  protected override view(bytes: Uint8Array): ArrayBufferView {
    return new this.array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / this.width)
  }
}

/** DuckDB keeps a decimal in as few bytes as its precision needs, Arrow in 16. */
class Decimals extends Fixed {
  private readonly width: number

  constructor(type: DuckDBDecimalType, reuse: boolean) {
    const width = type.width <= 4 ? 2 : type.width <= 9 ? 4 : type.width <= 18 ? 8 : 16
    super(new arrow.Decimal(type.scale, type.width, 128), width, 16, reuse)
    this.width = width
  }

  protected copy(target: Uint8Array, at: number, start: number, count: number): void {
    const { width, source } = this
    for (let index = 0; index < count; index++) {
      const [from, to] = [(start + index) * width, at + index * 16]
      for (let byte = 0; byte < width; byte++) target[to + byte] = source[from + byte] as number
      if (width < 16) target.fill((source[from + width - 1] as number) & 0x80 ? 0xff : 0, to + width, to + 16)
    }
  }

  protected override view(bytes: Uint8Array): ArrayBufferView {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  }
}

/** DuckDB's are little-endian with the highest bit flipped, Arrow's as they are written. */
class Uuids extends Fixed {
  constructor(reuse: boolean) {
    super(new arrow.FixedSizeBinary(16), 16, 16, reuse)
  }

  protected copy(target: Uint8Array, at: number, start: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const [from, to] = [(start + index) * 16, at + index * 16]
      for (let byte = 0; byte < 16; byte++) target[to + byte] = this.source[from + 15 - byte] as number
      target[to] = (target[to] as number) ^ 0x80
    }
  }
}

/** A byte each in DuckDB, a bit in Arrow. */
class Booleans extends Fixed {
  constructor(reuse: boolean) {
    super(new arrow.Bool(), 1, 1, reuse)
  }

  protected copy(target: Uint8Array, at: number, start: number, count: number): void {
    target.set(this.source.subarray(start, start + count), at)
  }

  protected override view(bytes: Uint8Array): ArrayBufferView {
    const bits = new Uint8Array(Math.ceil(bytes.length / 8))
    for (let row = 0; row < bytes.length; row += 8) {
      let byte = 0
      // Behind the end is nothing, which is no bit.
      for (let bit = 0; bit < 8; bit++) byte |= ((bytes[row + bit] as number) & 1) << bit
      bits[row >> 3] = byte
    }
    return bits
  }
}

class Texts implements VectorColumn {
  private readonly values: VarBytes
  private readonly validity = new Validity()

  constructor(
    readonly type: DataType,
    reuse: boolean,
  ) {
    this.values = new VarBytes(reuse)
  }

  read(vector: Vector, rows: number): void {
    this.values.read(vector, rows)
    this.validity.read(vector, rows)
  }

  append(start: number, count: number): void {
    this.values.append(start, count, this.validity)
    this.validity.append(start, count)
  }

  get byteLength(): number {
    return this.values.byteLength
  }

  finish(): Data {
    return arrow.makeData({ type: this.type, ...this.validity.take(), ...this.values.take() } as never)
  }
}

class Lists implements VectorColumn {
  readonly type: DataType
  private entries: Uint32Array = new Uint32Array(0)
  private readonly offsets: Bytes
  private readonly validity = new Validity()
  private items = 0

  constructor(
    private readonly child: VectorColumn,
    reuse: boolean,
    /** Of arrays: each has so many elements. */
    private readonly size?: number,
  ) {
    this.offsets = new Bytes(reuse)
    this.type = new arrow.List(new arrow.Field('element', child.type, true))
  }

  read(vector: Vector, rows: number): void {
    this.validity.read(vector, rows)
    if (this.size !== undefined) {
      this.child.read(duckdb.array_vector_get_child(vector), rows * this.size)
      return
    }
    const data = duckdb.vector_get_data(vector, rows * 16)
    this.entries = new Uint32Array(data.buffer, data.byteOffset, rows * 4)
    const items = duckdb.list_vector_get_size(vector)
    if (items > 0) this.child.read(duckdb.list_vector_get_child(vector), items)
  }

  append(start: number, count: number): void {
    if (this.offsets.length === 0) this.offsets.growZeroed(4)
    const at = this.offsets.grow(count * 4)
    const offsets = new Int32Array(this.offsets.bytes.buffer, at, count)
    // Elements that lie one after the other are copied together.
    let [from, end] = [0, 0]
    for (let index = 0; index < count; index++) {
      const row = start + index
      const { size } = this
      const own = size ?? this.entries[row * 4 + 2] ?? 0
      const length = this.validity.has(row) ? own : 0
      const first = size === undefined ? (this.entries[row * 4] as number) : row * size
      if (length > 0 && first !== end) {
        if (end > from) this.child.append(from, end - from)
        from = end = first
      }
      end += length
      this.items += length
      offsets[index] = this.items
    }
    if (end > from) this.child.append(from, end - from)
    this.validity.append(start, count)
  }

  get byteLength(): number {
    return this.offsets.length + this.child.byteLength
  }

  finish(): Data {
    this.items = 0
    if (this.offsets.length === 0) this.offsets.growZeroed(4)
    const bytes = this.offsets.take()
    const valueOffsets = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    const child = this.child.finish()
    return arrow.makeData({ type: this.type, ...this.validity.take(), valueOffsets, child } as never)
  }
}

const NO_BYTES = new Uint8Array(0)
