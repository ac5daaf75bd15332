import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { eq } from '../../iceberg/expr/expression.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { removeOrphans } from '../../iceberg/maintain/orphans.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { parseJson, stringifyJson } from '../../iceberg/spec/json.js'
import { parseTableMetadata, serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { Scheduler } from '../faults.js'
import { computeChange } from '../iceberg/compute-change.js'
import { Lake } from '../iceberg/lake.js'
import type { RowOperation } from '../iceberg/rows.js'
import type { Random } from '../random.js'
import { damage, damageJson } from './damage.js'
import type { FuzzTarget, Trial } from './trial.js'

const IDENTIFIER = { namespace: 's', name: 't' }
const OPERATIONS: readonly RowOperation[] = [
  { kind: 'append', p: 0, key: 'own' },
  { kind: 'upsert', keys: ['k0', 'k1', 'k2'], mode: 'merge-on-read' },
  { kind: 'upsert', keys: ['k0', 'k1', 'k2'], mode: 'merge-on-read' },
  { kind: 'equality-delete', p: 1, keys: ['k1'] },
  { kind: 'update', keys: ['k2'], mode: 'copy-on-write' },
]

/** A table with a history and every kind of file, in memory. */
export class DamagedTable implements FuzzTarget {
  readonly name = 'metadata'
  readonly #lake = new Lake(new Scheduler(() => 0), () => Promise.resolve())
  readonly #whole = new Map<string, Uint8Array>()

  async create(): Promise<void> {
    const lake = this.#lake
    await lake.createTables([IDENTIFIER], { 'commit.manifest.min-count-to-merge': '3' })
    for (const operation of OPERATIONS) await this.#commit(operation)
    for await (const { location } of lake.io.list('file:///w')) {
      if (/\.(avro|json)$/.test(location)) this.#whole.set(location, await lake.io.read(location))
    }
  }

  /** Damages one file of metadata and does with the table what users do. */
  async tryDamaged(random: Random): Promise<Trial> {
    const location = random.pick([...this.#whole.keys()])
    const bytes = this.#whole.get(location) ?? new Uint8Array()
    const isJson = location.endsWith('.json')
    const damaged = isJson && !random.chance(3) ? jsonDamage(bytes, random) : damage(bytes, random)
    await this.#lake.io.write(location, damaged)
    try {
      await this.#use(isJson ? parseTableMetadata(damaged) : undefined)
      return { kind: 'unnoticed' }
    } catch (error) {
      return { kind: 'refused', error }
    } finally {
      await this.#lake.io.write(location, bytes)
    }
  }

  async #use(metadata: LoadedTable['metadata'] | undefined): Promise<void> {
    const { catalog, io, nowMs } = this.#lake
    const known = metadata ?? (await catalog.loadTable(IDENTIFIER)).metadata
    parseTableMetadata(serializeTableMetadata(known))
    await planScan({ metadata: known, io })
    await planScan({ metadata: known, io, filter: eq('p', 1) })
    const request = { catalog, identifier: IDENTIFIER, dryRun: true } as const
    await expireSnapshots({ ...request, nowMs: nowMs + 1e12, maxSnapshotAgeMs: 1 })
    await removeOrphans({ ...request, nowMs: nowMs + 1e12 })
  }

  async #commit(operation: RowOperation): Promise<void> {
    const { catalog, io, now, newUuid, newSnapshotId } = this.#lake
    const table = await catalog.loadTable(IDENTIFIER)
    const change = await computeChange({ lake: this.#lake, io, table }, operation, 'main')
    const changes = [{ identifier: IDENTIFIER, change, snapshotId: newSnapshotId() }]
    await commitTransaction({ catalog, changes, now, newUuid })
  }
}

function jsonDamage(bytes: Uint8Array, random: Random): Uint8Array {
  return Buffer.from(stringifyJson(damageJson(parseJson(Buffer.from(bytes).toString()), random)))
}
