import type { PrimitiveType, Schema, Type } from '../spec/type.js'

/**
 * One step of a schema's evolution. Each step sees what the steps before it made. Columns are full names: dots reach into
 * structs, `element` into lists, `value` into maps.
 */
export type SchemaChange =
  | AddColumn
  | { readonly kind: 'drop'; readonly column: string }
  | { readonly kind: 'rename'; readonly column: string; readonly to: string }
  /** Among the fields of its own struct. `before` and `after` are full names too. */
  | { readonly kind: 'move'; readonly column: string; readonly to: 'first' }
  | { readonly kind: 'move'; readonly column: string; readonly before: string }
  | { readonly kind: 'move'; readonly column: string; readonly after: string }
  | { readonly kind: 'promote'; readonly column: string; readonly type: PrimitiveType }
  | { readonly kind: 'make-optional'; readonly column: string }
  /** Only with `allowIncompatible`: rows without a value may be there already. */
  | { readonly kind: 'require'; readonly column: string }
  /** Without `doc` the column loses what it had. */
  | { readonly kind: 'document'; readonly column: string; readonly doc?: string }
  /** Format v3: the value that writers fill in, in its JSON form (Appendix D). */
  | { readonly kind: 'set-default'; readonly column: string; readonly value: unknown }
  /** The columns that identify a row, all of them; none clears them. */
  | { readonly kind: 'set-identifier'; readonly columns: readonly string[] }
  /** Adds, as optional, what another schema has by name; widens types and nullability as far as is safe. Drops nothing. */
  | { readonly kind: 'union-by-name'; readonly schema: Schema }

/** A column to add, by the full name of the struct that it goes into. Its id is assigned by the table. */
export interface AddColumn {
  readonly kind: 'add'
  /** A struct, or a list or map of structs. Default: the table itself. */
  readonly parent?: string
  readonly name: string
  /** Nested ids are assigned anew. */
  readonly type: Type
  readonly required?: boolean
  readonly doc?: string
  /** Format v3: what older rows read, and what writers fill in, in its JSON form (Appendix D). */
  readonly default?: unknown
}

/** What a change of the schema is allowed beyond what never harms a reader. */
export interface SchemaRules {
  /** Allows a required column without a default, and `require`. */
  readonly allowIncompatible?: boolean
  /** Allows names of siblings that differ in case only, which SQL engines can't tell apart. */
  readonly caseSensitive?: boolean
}
