import type { NestedField, PrimitiveType, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { STRING_OR_LONG } from '../../schemas/table-schema.js'
import type { DocumentPath } from './document-problem.js'
import { DocumentProblem } from './document-problem.js'

/** What becomes of a member that nobody declared; it is met at any declared level. */
export type OnUndeclared = (path: DocumentPath) => void

/**
 * Throws the first DocumentProblem of a document against its declared fields. Members that nobody declared are told of
 * and let through: they stay in the payload and show once they are declared.
 */
export function checkDocument(
  fields: readonly NestedField[],
  document: unknown,
  onUndeclared: OnUndeclared = letThrough,
): void {
  if (!isPlainObject(document)) {
    throw new DocumentProblem('not-an-object', `the document is ${nameOf(document)}, not an object`)
  }
  checkMembers(fields, document, [], onUndeclared)
}

/** The contract modes `discard-row` and `freeze`. */
export function refuseUndeclared(path: DocumentPath): never {
  throw new DocumentProblem(
    'undeclared-member',
    "nobody declared this member; add it to the source's schema, or set contract to evolve",
    path,
  )
}

function letThrough(): void {
  return
}

type Members = Readonly<Record<string, unknown>>

function checkMembers(
  fields: readonly NestedField[],
  members: Members,
  path: DocumentPath,
  onUndeclared: OnUndeclared,
): void {
  let declared = 0
  for (const field of fields) {
    const present = Object.hasOwn(members, field.name)
    const value = present ? members[field.name] : undefined
    if (present) declared += 1
    if (value !== null && value !== undefined) {
      if (field.doc === STRING_OR_LONG && typeof value !== 'string') {
        checkInteger('long', value, [...path, field.name])
        continue
      }
      checkValue(field.type, value, [...path, field.name], onUndeclared)
    } else if (field.required) {
      const what = value === null ? 'null' : 'absent'
      throw new DocumentProblem('missing-field', `the field is ${what} but declared as required`, [
        ...path,
        field.name,
      ])
    }
  }
  const names = Object.keys(members)
  if (names.length === declared) return
  for (const name of names) {
    if (!fields.some((field) => field.name === name)) onUndeclared([...path, name])
  }
}

function checkValue(type: Type, value: unknown, path: DocumentPath, onUndeclared: OnUndeclared): void {
  if (isPrimitive(type)) checkPrimitive(type, value, path)
  else if (type.type === 'struct') {
    if (!isPlainObject(value)) throw wrongType('an object', value, path)
    checkMembers(type.fields, value, path, onUndeclared)
  } else if (type.type === 'list') {
    if (!Array.isArray(value)) throw wrongType('an array', value, path)
    checkItems(type.element, type['element-required'], value, path, onUndeclared)
  } else {
    if (!isPlainObject(value)) throw wrongType('an object', value, path)
    for (const [key, item] of Object.entries(value)) {
      if (item !== null) checkValue(type.value, item, [...path, key], onUndeclared)
      else if (type['value-required'])
        throw new DocumentProblem('missing-field', 'the value is null', [...path, key])
    }
  }
}

function checkItems(
  element: Type,
  required: boolean,
  items: readonly unknown[],
  path: DocumentPath,
  onUndeclared: OnUndeclared,
): void {
  for (const [i, item] of items.entries()) {
    // Long lists of numbers are the bulk of the data: no path is built for an item that is fine.
    if (element === 'double' && typeof item === 'number' && Number.isFinite(item)) continue
    if (item !== null) checkValue(element, item, [...path, i], onUndeclared)
    else if (required) throw new DocumentProblem('missing-field', 'the item is null', [...path, i])
  }
}

const INTEGER_BOUNDS = {
  int: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  long: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
} as const

/** How a value of each type is written in a JSON document. */
const TEXT_FORMS: Partial<Record<PrimitiveType, { readonly pattern: RegExp; readonly example: string }>> = {
  date: { pattern: /^\d{4}-\d{2}-\d{2}$/, example: '2026-07-01' },
  time: { pattern: /^\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$/, example: '12:30:00' },
  timestamp: {
    pattern: /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?$/,
    example: '2026-07-01T12:30:00',
  },
  timestamptz: {
    pattern: /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)$/,
    example: '2026-07-01T12:30:00Z',
  },
  uuid: { pattern: /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/, example: 'a UUID with dashes' },
}

function checkPrimitive(type: PrimitiveType, value: unknown, path: DocumentPath): void {
  if (type === 'boolean') {
    if (typeof value !== 'boolean') throw wrongType('a boolean', value, path)
  } else if (type === 'int' || type === 'long') {
    checkInteger(type, value, path)
  } else if (type.startsWith('decimal') && typeof value === 'string') {
    checkDecimalText(type, value, path)
  } else if (type === 'float' || type === 'double' || type.startsWith('decimal')) {
    if (typeof value !== 'number' && typeof value !== 'bigint') throw wrongType('a number', value, path)
    const limit = type === 'float' ? 3.4028235677973366e38 : Infinity
    if (Math.abs(Number(value)) >= limit) {
      throw new DocumentProblem('out-of-range', `the number is beyond what a ${type} holds`, path)
    }
  } else {
    if (typeof value !== 'string') throw wrongType('a string', value, path)
    checkText(type, value, path)
  }
}

/** A decimal may be a string: what many producers write, since a JSON number is exact to some 15 digits only. */
function checkDecimalText(type: PrimitiveType, value: string, path: DocumentPath): void {
  const [, precision = '', scale = ''] = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(type) ?? []
  const [, whole, fraction = ''] = /^-?0*(\d+)(?:\.(\d+?)0*)?$/.exec(value) ?? []
  if (whole === undefined) {
    throw new DocumentProblem('wrong-type', `${excerpt(value)} is not a ${type}, e.g. "12.30"`, path)
  }
  const digits = whole === '0' ? 0 : whole.length
  const left = Number(scale) - (fraction === '0' ? 0 : fraction.length)
  if (left < 0 || digits > Number(precision) - Number(scale)) {
    throw new DocumentProblem('out-of-range', `${excerpt(value)} has more digits than a ${type}`, path)
  }
}

function checkInteger(type: 'int' | 'long', value: unknown, path: DocumentPath): void {
  if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value))) {
    throw wrongType('a whole number', value, path)
  }
  const { min, max } = INTEGER_BOUNDS[type]
  if (value < min || value > max) {
    throw new DocumentProblem(
      'out-of-range',
      `${value} is beyond what ${type === 'int' ? 'an int' : 'a long'} holds`,
      path,
    )
  }
}

function checkText(type: PrimitiveType, value: string, path: DocumentPath): void {
  if (isTextForm(type, value)) return
  const example = TEXT_FORMS[type]?.example ?? ''
  throw new DocumentProblem('wrong-type', `${excerpt(value)} is not a ${type}, e.g. ${example}`, path)
}

/** Whether not every string will do for the type. */
export function hasTextForm(type: PrimitiveType): boolean {
  return TEXT_FORMS[type] !== undefined
}

/** Whether the string is written as a value of the type. */
export function isTextForm(type: PrimitiveType, value: string): boolean {
  const form = TEXT_FORMS[type]
  if (form === undefined) return true
  const isDay = /^\d{4}/.test(value) && type !== 'uuid'
  return form.pattern.test(value) && (!isDay || isCalendarDay(value.slice(0, 10)))
}

/** 2026-02-30 is written like a day and is none. */
function isCalendarDay(text: string): boolean {
  const instant = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(instant.getTime()) && instant.toISOString().startsWith(text)
}

function wrongType(expected: string, value: unknown, path: DocumentPath): DocumentProblem {
  return new DocumentProblem('wrong-type', `the value is ${nameOf(value)}, declared is ${expected}`, path)
}

function isPlainObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  return `the ${typeof value === 'bigint' ? 'number' : typeof value} ${excerpt(value)}`
}

function excerpt(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`
}
