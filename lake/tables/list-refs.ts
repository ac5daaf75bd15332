import { formatIdentifier, parseIdentifier, type LoadedTable } from '../../iceberg/catalog/catalog.js'
import { snapshotById } from '../../iceberg/spec/refs.js'
import type { SnapshotRef } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { tableNames } from '../query/table-names.js'

/** Tags or branches of one name over some tables. */
export interface NamedRef {
  readonly name: string
  readonly type: 'tag' | 'branch'
  /** Who set it and why, in words. */
  readonly holds: string
  /** `namespace.name` */
  readonly tables: readonly string[]
  /** When the first of them ends by itself; null: never. ISO-8601, UTC. */
  readonly expiresAt: string | null
}

/** By what its name says; a user's names are free. */
const HOLDS: readonly (readonly [RegExp, string])[] = [
  [/^v_(incr_)?\d{8}T/, 'a published batch'],
  [/^score_/, 'predictions of a batch'],
  [/^scored_/, 'features that a scoring read'],
  [/^model-/, 'what a model was trained on'],
  [/^rolled_back_/, 'what a rollback took back'],
  [/^failed_/, 'a batch that failed its checks'],
  [/^stage_/, 'a batch that is being built'],
]

/** Refs of every table of the lake, as one catalog read shows them. */
export async function listRefs(
  deps: Pick<LakeDeps, 'catalog'>,
  type?: NamedRef['type'],
): Promise<readonly NamedRef[]> {
  const names = await tableNames(deps)
  return namedRefs(await deps.catalog.loadTables(names.map(parseIdentifier)), type)
}

/** Every ref but main, tags first, by name. */
export function namedRefs(tables: readonly LoadedTable[], type?: NamedRef['type']): readonly NamedRef[] {
  const refs = new Map<string, NamedRef>()
  for (const { identifier, metadata } of tables) {
    for (const [name, ref] of Object.entries(metadata.refs)) {
      if (name === 'main' || (type !== undefined && ref.type !== type)) continue
      const known = refs.get(`${ref.type} ${name}`)
      refs.set(`${ref.type} ${name}`, {
        ...{ name, type: ref.type, holds: holdsOf(name, ref.type) },
        tables: [...(known?.tables ?? []), formatIdentifier(identifier)],
        expiresAt: earlier(known, endOf(metadata, ref)),
      })
    }
  }
  return [...refs.values()].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

function holdsOf(name: string, type: NamedRef['type']): string {
  return HOLDS.find(([pattern]) => pattern.test(name))?.[1] ?? `a ${type} of your own`
}

/** Refs age from their snapshot's time. The largest age there is means never. */
function endOf(metadata: TableMetadata, ref: SnapshotRef): string | null {
  const ageMs = Number(
    ref['max-ref-age-ms'] ?? metadata.properties['history.expire.max-ref-age-ms'] ?? Infinity,
  )
  const born = snapshotById(metadata, ref['snapshot-id'])?.['timestamp-ms']
  if (born === undefined || ageMs > 1e15) return null
  return new Date(born + ageMs).toISOString()
}

function earlier(known: NamedRef | undefined, end: string | null): string | null {
  if (known === undefined || known.expiresAt === null) return end
  return end === null || known.expiresAt < end ? known.expiresAt : end
}

function key({ type, name }: NamedRef): string {
  return `${type === 'tag' ? 0 : 1} ${name}`
}
