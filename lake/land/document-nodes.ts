import type { NestedField, PrimitiveType, Type } from '../../iceberg/spec/type.js'
import { isPrimitive } from '../../iceberg/spec/type.js'
import { STRING_OR_LONG } from '../../schemas/table-schema.js'
import { hasTextForm } from './check-document.js'
import type { DocumentPath } from './document-problem.js'
import { ANY_ITEM, undeclaredPath } from './document-problem.js'

/** What a quick reader expects at a place of a document. */
export type NodeKind =
  | 'any'
  | 'text'
  | 'form'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'decimal'
  | 'text-or-long'
  | 'boolean'
  | 'struct'
  | 'list'

/** A place of a document. Members remember what they were followed by: most documents have their members in one order. */
export class DocumentNode {
  /** The name and its closing quote as they stand in a document; empty for items. */
  key: Uint8Array = NO_BYTES
  /** The same, four bytes each, the last of them filled up with zeros; `lastMask` tells those that count. */
  words = new Int32Array(0)
  lastMask = 0
  /** The level's visit in which the member was last seen. */
  stamp = 0
  follower: DocumentNode | undefined
  /** Index in the source's identity, else -1. */
  identity = -1
  isEventTime = false
  /** What to tell where the member is undeclared; empty otherwise. */
  undeclared = ''
  /** Of a decimal as text: digits before and after its point. */
  digits: readonly [whole: number, fraction: number] = [0, 0]
  isNullable: boolean
  level: DocumentLevel | undefined
  element: DocumentNode | undefined

  constructor(
    readonly kind: NodeKind,
    readonly primitive: PrimitiveType | undefined,
    /** Must be there and not null. */
    readonly required: boolean,
  ) {
    this.isNullable = !required
  }

  setName(name: string): void {
    this.key = new Uint8Array(Buffer.from(`${name}"`))
    const { length } = this.key
    const filled = Buffer.concat([this.key], Math.ceil(length / 4) * 4)
    this.words = Int32Array.from({ length: filled.length / 4 }, (_, i) => filled.readInt32LE(i * 4))
    this.lastMask = length % 4 === 0 ? -1 : (1 << (8 * (length % 4))) - 1
  }
}

/** The members of an object, as far as they are known. */
export class DocumentLevel {
  readonly members: DocumentNode[] = []
  first: DocumentNode | undefined
  visit = 0
  required = 0
  /** Stands for every name that is not learnt any more. */
  other: DocumentNode | undefined
  private readonly otherNames = new Set<string>()
  private otherVisit = 0
  private room = MAX_LEARNT

  /**
   * `learn` makes the node of a name that was not seen before; undefined: such a name is not for the quick reader.
   * `areAlike`: so it is for names without end, as a map's keys.
   */
  constructor(
    private readonly learn: ((name: string) => DocumentNode) | undefined,
    private readonly areAlike: boolean,
  ) {}

  add(name: string, node: DocumentNode): void {
    if (node.required) this.required += 1
    // Written with escapes in a document, it is left to the thorough reader.
    if (JSON.stringify(name).length !== name.length + 2) return
    node.setName(name)
    this.members.push(node)
  }

  /** The node of a name that is none of the members'; undefined where the quick reader can't go on. */
  newcomer(name: string): DocumentNode | undefined {
    if (this.learn === undefined) return undefined
    if (this.room === 0) return this.passer(name)
    this.room -= 1
    const node = this.learn(name)
    this.add(name, node)
    return node
  }

  private passer(name: string): DocumentNode | undefined {
    if (!this.areAlike) return undefined
    const { otherNames } = this
    const other = (this.other ??= this.learn?.(''))
    if (other === undefined) return undefined
    if (this.otherVisit !== this.visit) otherNames.clear()
    this.otherVisit = this.visit
    if (otherNames.size === otherNames.add(name).size) return undefined
    other.setName(name)
    other.stamp = 0
    return other
  }
}

/** Names that a level takes in besides the declared ones: keys of maps may be without end. */
const MAX_LEARNT = 256
const NO_BYTES = new Uint8Array(0)

export interface NodeOptions {
  readonly identity: readonly string[]
  readonly eventTime: string | undefined
  /** Undeclared members are let through. */
  readonly evolves: boolean
}

/**
 * The tree of a source's declared fields for the quick reader; undefined where the identity or the event time is not
 * among plain declared values, which only the thorough reader finds.
 */
export function documentNodes(
  fields: readonly NestedField[],
  options: NodeOptions,
): DocumentLevel | undefined {
  const level = structLevel(fields, [], options.evolves)
  for (const [i, path] of options.identity.entries()) {
    const node = plainNode(fields, level, path.split('.'))
    if (node === undefined || node.identity >= 0) return undefined
    node.identity = i
  }
  if (options.eventTime === undefined) return level
  const node = plainNode(fields, level, options.eventTime.split('.'))
  if (node === undefined) return undefined
  node.isEventTime = true
  return level
}

function structLevel(fields: readonly NestedField[], path: DocumentPath, evolves: boolean): DocumentLevel {
  const learn = (name: string): DocumentNode => undeclaredNode(undeclaredPath([...path, name]))
  const level = new DocumentLevel(evolves ? learn : undefined, false)
  for (const { name, type, required, doc } of fields) {
    const isEither = doc === STRING_OR_LONG
    const node = isEither ? new DocumentNode('text-or-long', undefined, required) : undefined
    level.add(name, node ?? nodeOf(type, required, [...path, name], evolves))
  }
  level.first = level.members[0]
  return level
}

function nodeOf(type: Type, required: boolean, path: DocumentPath, evolves: boolean): DocumentNode {
  if (isPrimitive(type)) {
    const plain = new DocumentNode(kindOf(type), type, required)
    const [, precision, scale] = /^decimal\((\d+), *(\d+)\)$/.exec(type) ?? []
    plain.digits = [Number(precision) - Number(scale), Number(scale)]
    return plain
  }
  const node = new DocumentNode(type.type === 'list' ? 'list' : 'struct', undefined, required)
  if (type.type === 'struct') node.level = structLevel(type.fields, path, evolves)
  else if (type.type === 'list') {
    node.element = nodeOf(type.element, type['element-required'], [...path, ANY_ITEM], evolves)
  } else {
    node.level = new DocumentLevel((name) => {
      const value = nodeOf(type.value, false, [...path, name], evolves)
      value.isNullable = !type['value-required']
      return value
    }, true)
  }
  return node
}

/** An undeclared member, or what is nested in one: anything may be there. */
function undeclaredNode(undeclared: string): DocumentNode {
  const node = new DocumentNode('any', undefined, false)
  node.undeclared = undeclared
  return node
}

/** What stands in a list that nobody declared. */
export function anyItem(): DocumentNode {
  return undeclaredNode('')
}

/** Members of an object that nobody declared. */
export function anyLevel(): DocumentLevel {
  return new DocumentLevel(anyItem, true)
}

function kindOf(type: PrimitiveType): NodeKind {
  if (type === 'boolean' || type === 'int' || type === 'long' || type === 'float') return type
  if (type === 'double') return type
  if (type.startsWith('decimal')) return 'decimal'
  return hasTextForm(type) ? 'form' : 'text'
}

function plainNode(
  fields: readonly NestedField[],
  level: DocumentLevel,
  [name = '', ...rest]: readonly string[],
): DocumentNode | undefined {
  const field = fields.find((declared) => declared.name === name)
  const node = level.members.find(({ key }) => Buffer.from(key).toString() === `${name}"`)
  if (field === undefined || node === undefined) return undefined
  if (rest.length === 0) return isPrimitive(field.type) ? node : undefined
  if (isPrimitive(field.type) || field.type.type !== 'struct' || node.level === undefined) return undefined
  return plainNode(field.type.fields, node.level, rest)
}
