import type { Catalog, LoadedTable, TableIdentifier } from '../catalog/catalog.js'
import { formatIdentifier } from '../catalog/catalog.js'
import { IcebergError, isIcebergError } from '../error.js'
import type { TableMetadata } from '../spec/table-metadata.js'
import { applyUpdates } from '../update/apply-updates.js'
import type { RetryOptions } from '../write/retry.js'
import { backOffMs, retryPolicy } from '../write/retry.js'
import type { Evolution } from './evolution.js'
import { planFormat, planLocation, planProperties, planStatistics } from './plan-properties.js'
import type { PropertyChanges, StatisticsChanges } from './plan-properties.js'
import { planSchema } from './plan-schema.js'
import { planSortOrder, type SortBy } from './plan-sort-order.js'
import { planSpec, type SpecChange } from './plan-spec.js'
import type { SchemaChange, SchemaRules } from './schema-change.js'
import { touchedState } from './touched-state.js'

/**
 * Which table to evolve. Where others change the table first, the evolution is planned anew on what they made of it.
 */
export interface EvolveOptions {
  readonly catalog: Catalog
  readonly identifier: TableIdentifier
  readonly newUuid: () => string
  readonly retry?: RetryOptions
}

/** Changes a table's columns; see `SchemaChange`. Errors: `invalid-argument`, and those of `evolveTable`. */
export function updateSchema(
  options: EvolveOptions & SchemaRules & { readonly changes: readonly SchemaChange[] },
): Promise<LoadedTable> {
  return evolveTable(options, (metadata) => planSchema(metadata, options.changes, options))
}

/** Changes how rows are partitioned from now on. Errors: `invalid-argument`, and those of `evolveTable`. */
export function updateSpec(
  options: EvolveOptions & { readonly changes: readonly SpecChange[] },
): Promise<LoadedTable> {
  return evolveTable(options, (metadata) => planSpec(metadata, options.changes))
}

/** Sets the order that writers keep. Errors: `invalid-argument`, and those of `evolveTable`. */
export function updateSortOrder(
  options: EvolveOptions & { readonly fields: readonly SortBy[] },
): Promise<LoadedTable> {
  return evolveTable(options, (metadata) => planSortOrder(metadata, options.fields))
}

/** Sets and removes properties. Errors: `invalid-argument`, and those of `evolveTable`. */
export function updateProperties(options: EvolveOptions & PropertyChanges): Promise<LoadedTable> {
  return evolveTable(options, (metadata) => planProperties(metadata, options))
}

/** From format version 1 to 2. Errors: `invalid-argument`, and those of `evolveTable`. */
export function upgradeFormat(options: EvolveOptions & { readonly version: 2 }): Promise<LoadedTable> {
  return evolveTable(options, (metadata) => planFormat(metadata, options.version))
}

/** Sets where new files go. Errors: `invalid-argument`, and those of `evolveTable`. */
export function updateLocation(options: EvolveOptions & { readonly location: string }): Promise<LoadedTable> {
  return evolveTable(options, (metadata) => planLocation(metadata, options.location))
}

/** Names statistics files of snapshots, or forgets them. Errors: `invalid-argument`, and those of `evolveTable`. */
export function updateStatistics(options: EvolveOptions & StatisticsChanges): Promise<LoadedTable> {
  return evolveTable(options, (metadata) => planStatistics(metadata, options))
}

/**
 * Commits what `plan` says of the table as it is, planned anew after a conflict. After a lost answer the table is looked
 * at: where the evolution is there, it is done. Errors: `commit-conflict` (tries used up), `commit-unknown` (the answer was
 * lost and the table does not tell), `commit-rejected`, `not-found`, and what `plan` throws.
 */
export async function evolveTable(
  options: EvolveOptions,
  plan: (metadata: TableMetadata) => Evolution,
): Promise<LoadedTable> {
  const { catalog, identifier } = options
  let loaded = await catalog.loadTable(identifier)
  const policy = retryPolicy(options.retry ?? {}, loaded.metadata.properties)
  let lost: Attempt | undefined
  for (let attempt = 1; ; attempt++) {
    if (lost !== undefined && isDone(loaded, lost)) return loaded
    const evolution = planned(loaded, plan, lost)
    if (evolution.updates.length === 0) return loaded
    try {
      const [committed] = await catalog.commit([{ identifier, ...evolution }])
      return committed ?? loaded
    } catch (error) {
      const isLost = isIcebergError(error, 'commit-unknown')
      if (isLost) lost = { before: loaded, evolution }
      if ((!isLost && !isIcebergError(error, 'commit-conflict')) || attempt >= policy.tries) throw error
    }
    await policy.sleep(backOffMs(policy, attempt, options.newUuid()))
    loaded = await catalog.loadTable(identifier)
  }
}

interface Attempt {
  readonly before: LoadedTable
  readonly evolution: Evolution
}

/** A plan that fails after a lost answer may fail because the lost commit happened: the outcome is not known. */
function planned(
  loaded: LoadedTable,
  plan: (metadata: TableMetadata) => Evolution,
  lost: Attempt | undefined,
): Evolution {
  try {
    return plan(loaded.metadata)
  } catch (cause) {
    const hasMoved = lost !== undefined && loaded.metadataLocation !== lost.before.metadataLocation
    if (!hasMoved) throw cause
    const name = formatIdentifier(loaded.identifier)
    throw new IcebergError(
      'commit-unknown',
      `the answer to the change of ${name} was lost, and others changed it since; look at the table before trying again`,
      { context: { table: name }, cause },
    )
  }
}

/** Whether the table is what the lost commit would have made of it, in all that its updates touch. */
function isDone(loaded: LoadedTable, { before, evolution }: Attempt): boolean {
  if (loaded.metadataLocation === before.metadataLocation) return false
  const { metadata } = loaded
  const wanted = applyUpdates(before.metadata, evolution.updates, { now: metadata['last-updated-ms'] })
  return touchedState(metadata, evolution.updates) === touchedState(wanted, evolution.updates)
}
