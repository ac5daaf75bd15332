/** What becomes of rows that are published where the definition of their table has changed. */
export type OnChange = 'forward' | 'rebuild'

export const ON_CHANGE: readonly OnChange[] = ['forward', 'rebuild']

/** The parts of a table's definition that decide its rows. */
export const DEFINITION_PARTS = ['sql', 'spark', 'schema', 'key', 'partition', 'write'] as const
export type DefinitionPart = (typeof DEFINITION_PARTS)[number]

/** Digest of each part, by table. `spark`, its SQL for Spark, only of what Spark builds. */
export type TableDefinitions = Readonly<Record<string, Readonly<Partial<Record<DefinitionPart, string>>>>>

/** How a pipeline's definition differs from the one that its last batch was built with. */
export interface DefinitionChange {
  /** The last batch of the definition before. */
  readonly since: string
  /** Unqualified. None: batches of 0.1 do not say of which table they had which definition. */
  readonly tables: readonly ChangedTable[]
  /** Tables that did not change themselves and read one that did. */
  readonly readers: readonly string[]
}

export interface ChangedTable {
  readonly table: string
  readonly what: 'new' | 'removed' | readonly DefinitionPart[]
}
