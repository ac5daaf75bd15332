import { transformResultType } from '../iceberg/spec/transform.js'
import { assignFreshIds } from '../iceberg/spec/schema.js'
import type { PartitionField, PartitionSpec, Transform } from '../iceberg/spec/partition-spec.js'
import type { NestedField, PrimitiveType, Schema, Type } from '../iceberg/spec/type.js'
import { isPrimitive } from '../iceberg/spec/type.js'
import { FirnError } from './error.js'
import type { DocumentSchema, PartitionExpression, TableSchema } from './pipeline.js'

/** Columns in short form → an Iceberg schema with ids from 1 (a level's fields before what is nested). Columns are optional without `!`. */
export function parseTableSchema(short: TableSchema): Schema {
  return parseSchema(short, 'table')
}

/**
 * Document fields in short form → a schema. Fields are required unless their name ends with `?`. A field may be
 * `string|long`: a string, or a whole number, which is read as its digits; its `doc` says so.
 */
export function parseDocumentSchema(short: DocumentSchema): Schema {
  return parseSchema(short, 'document')
}

/** The `doc` of a document's field that is either. */
export const STRING_OR_LONG = 'string|long'

/** `column`, `bucket(16, column)`, `truncate(4, column)`, `year|month|day|hour(column)` → a spec; its fields have Iceberg's default names. */
export function parsePartition(expressions: readonly PartitionExpression[], schema: Schema): PartitionSpec {
  const fields: PartitionField[] = []
  for (const expression of expressions) {
    const field = parsePartitionField(expression, schema, 1000 + fields.length)
    if (fields.some((other) => other.name === field.name)) {
      throw invalid(expression, `partition field '${field.name}' is given twice: remove one`)
    }
    fields.push(field)
  }
  return { 'spec-id': 0, fields }
}

/** In a table `!` makes a column required; in a document everything is, but for names ending in `?`. */
type Dialect = 'table' | 'document'

function parseSchema(short: TableSchema | DocumentSchema, dialect: Dialect): Schema {
  const fields = Object.entries(short).map(([written, text]) => {
    const parser = new TypeParser(text, dialect, written)
    const { name, optional } = parser.fieldName(written)
    const { required, ...type } = parser.wholeType()
    return { id: 0, name, required: dialect === 'document' ? !optional : required, ...type }
  })
  if (fields.length === 0) throw invalid('{}', `a ${dialect} schema needs at least one field`)
  refuseTwins(fields, dialect)
  return assignFreshIds({ type: 'struct', 'schema-id': 0, fields }).schema
}

interface FieldType {
  readonly type: Type
  readonly required: boolean
  readonly doc?: string
}

const PRIMITIVES: ReadonlySet<string> = new Set<PrimitiveType>([
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'string',
  'uuid',
  'binary',
])

const EXAMPLES = 'int, double, string, timestamptz, decimal(10, 2), fixed[16], list<double>, struct<a: int>'

/** Recursive descent over one type's text. */
class TypeParser {
  private position = 0

  constructor(
    private readonly text: string,
    private readonly dialect: Dialect,
    private readonly column: string,
  ) {}

  wholeType(): FieldType {
    const parsed = this.fieldType()
    if (this.peek() !== '') throw this.wrong(`unexpected '${this.text.slice(this.position)}'`)
    return parsed
  }

  /** A field's name without its `?`. */
  fieldName(written: string): { readonly name: string; readonly optional: boolean } {
    const optional = written.endsWith('?')
    const name = optional ? written.slice(0, -1) : written
    if (optional && this.dialect === 'table') {
      throw this.wrong(`columns are optional without a mark: write '${name}'`)
    }
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw this.wrong(`'${name}' is not a field name: use letters, digits and _`)
    }
    return { name, optional }
  }

  private fieldType(): FieldType {
    const parsed = this.typeAndMark()
    if (this.dialect === 'table' || parsed.type !== 'string' || !this.take('|')) return parsed
    const word = this.word()
    if (word !== 'long') throw this.wrong(`only ${STRING_OR_LONG} joins two types, not string|${word}`)
    return { ...parsed, doc: STRING_OR_LONG }
  }

  /** In a list or map of a document `?` after the type makes its elements optional. */
  private typeAndMark(): { readonly type: Type; readonly required: boolean } {
    const type = this.type()
    if (this.take('!')) return { type, required: true }
    if (this.dialect === 'document' && this.take('?')) return { type, required: false }
    return { type, required: this.dialect === 'document' }
  }

  private type(): Type {
    const word = this.word()
    if (PRIMITIVES.has(word)) return word as PrimitiveType
    switch (word) {
      case 'decimal':
        return this.decimal()
      case 'fixed': {
        this.expect('[')
        const length = this.integer(1, 2 ** 31 - 1)
        this.expect(']')
        return `fixed[${length}]`
      }
      case 'list': {
        this.expect('<')
        const element = this.typeAndMark()
        this.expect('>')
        return { type: 'list', 'element-id': 0, 'element-required': element.required, element: element.type }
      }
      case 'map':
        return this.map()
      case 'struct':
        return this.struct()
      default:
        throw this.wrong(word === '' ? 'a type is missing' : `'${word}' is not a type`)
    }
  }

  private decimal(): Type {
    this.expect('(')
    const precision = this.integer(1, 38)
    this.expect(',')
    const scale = this.integer(0, precision)
    this.expect(')')
    return `decimal(${precision}, ${scale})`
  }

  private map(): Type {
    this.expect('<')
    const key = this.typeAndMark()
    this.expect(',')
    const value = this.typeAndMark()
    this.expect('>')
    return {
      type: 'map',
      'key-id': 0,
      key: key.type,
      'value-id': 0,
      'value-required': value.required,
      value: value.type,
    }
  }

  private struct(): Type {
    this.expect('<')
    const fields: NestedField[] = []
    do {
      const written = this.word()
      const { name, optional } = this.fieldName(this.take('?') ? `${written}?` : written)
      this.expect(':')
      const { required, ...type } = this.fieldType()
      fields.push({ id: 0, name, required: required && !optional, ...type })
    } while (this.take(','))
    this.expect('>')
    refuseTwins(fields, this.column)
    return { type: 'struct', fields }
  }

  private word(): string {
    this.peek()
    const word = /^\w*/.exec(this.text.slice(this.position))?.[0] ?? ''
    this.position += word.length
    return word
  }

  private integer(least: number, most: number): number {
    const word = this.word()
    const value = /^\d+$/.test(word) ? Number(word) : NaN
    if (!(value >= least && value <= most)) {
      throw this.wrong(`'${word}' is not an integer from ${least} to ${most}`)
    }
    return value
  }

  private expect(sign: string): void {
    if (!this.take(sign)) throw this.wrong(`expected '${sign}' at position ${this.position + 1}`)
  }

  private take(sign: string): boolean {
    if (this.peek() !== sign) return false
    this.position++
    return true
  }

  /** The next sign after blanks; '' at the end. */
  private peek(): string {
    while (/\s/.test(this.text[this.position] ?? '')) this.position++
    return this.text[this.position] ?? ''
  }

  private wrong(problem: string): FirnError {
    return invalid(this.text, `type of '${this.column}': ${problem} in '${this.text}' (types: ${EXAMPLES})`)
  }
}

/** DuckDB's names do not tell upper from lower case, so neither may a schema's. */
function refuseTwins(fields: readonly NestedField[], where: string): void {
  const seen = new Set<string>()
  for (const { name } of fields) {
    if (seen.has(name.toLowerCase())) {
      throw invalid(name, `field '${name}' is in ${where} twice (upper and lower case are one): rename one`)
    }
    seen.add(name.toLowerCase())
  }
}

const SUFFIXES: Readonly<Record<string, string>> = { bucket: '_bucket', truncate: '_trunc' }

function parsePartitionField(expression: string, schema: Schema, fieldId: number): PartitionField {
  const match =
    /^\s*(?:(?<name>year|month|day|hour)\s*\(\s*(?<a>\w+)\s*\)|(?<sized>bucket|truncate)\s*\(\s*(?<size>[1-9]\d{0,8})\s*,\s*(?<b>\w+)\s*\)|(?<c>\w+))\s*$/.exec(
      expression,
    )
  if (match?.groups === undefined) {
    throw invalid(
      expression,
      `'${expression}' is not a partition: write column, bucket(16, column), truncate(4, column), year, month, day or hour(column)`,
    )
  }
  const { name, a, sized, size, b, c } = match.groups
  const column = a ?? b ?? c ?? ''
  const kind = name ?? sized
  const transform = (sized === undefined ? (kind ?? 'identity') : `${sized}[${size ?? ''}]`) as Transform
  const source = schema.fields.find((field) => field.name === column)
  if (source === undefined) {
    const known = schema.fields.map((field) => field.name).join(', ')
    throw invalid(expression, `partition column '${column}' is not in the schema (it has ${known})`)
  }
  checkTransform(expression, transform, source)
  const fieldName = kind === undefined ? column : `${column}${SUFFIXES[kind] ?? `_${kind}`}`
  if (kind !== undefined && schema.fields.some((field) => field.name === fieldName)) {
    throw invalid(expression, `partition field '${fieldName}' has the name of a column: rename that column`)
  }
  return { 'source-id': source.id, 'field-id': fieldId, name: fieldName, transform }
}

function checkTransform(expression: string, transform: Transform, source: NestedField): void {
  if (!isPrimitive(source.type)) {
    throw invalid(expression, `cannot partition by '${source.name}': it is a ${source.type.type}`)
  }
  try {
    transformResultType(transform, source.type)
  } catch (cause) {
    throw invalid(expression, `cannot partition by ${expression}: '${source.name}' is ${source.type}`, cause)
  }
}

function invalid(text: string, message: string, cause?: unknown): FirnError {
  return new FirnError('config', message, { context: { text }, ...(cause === undefined ? {} : { cause }) })
}
