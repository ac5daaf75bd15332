import type { LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryPointerStore } from '../../iceberg/catalog/memory.js'
import { PointerCatalog } from '../../iceberg/catalog/pointer-catalog.js'
import type { PointerStore } from '../../iceberg/catalog/pointer-store.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import type { Rewriter } from '../../iceberg/maintain/rewriter.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs, type RefChange } from '../../iceberg/write/refs.js'
import type { Change, TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { MODEL_SCHEMA } from './lake-model.js'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** A lake in memory whose data files are there as files: what clean-up deletes can't be read any more. */
export class RowLake {
  nowMs = 1_800_000_000_000
  readonly io = new MemoryFileIO({ now: () => this.nowMs })
  #counter = 0

  now = (): number => this.nowMs
  newUuid = (): string => `00000000-0000-4000-8000-${(++this.#counter).toString(16).padStart(12, '0')}`
  newSnapshotId = (): SnapshotId => toSnapshotId(2n ** 60n + BigInt(++this.#counter))

  readonly store = new MemoryPointerStore()
  readonly catalog = this.openCatalog(this.store, this.io)

  /** Another process's view of the lake. */
  openCatalog(store: PointerStore, io: FileIO): PointerCatalog {
    const { now, newUuid } = this
    return new PointerCatalog(store, { name: 'm', warehouse: 'file:///w', io, now, newUuid })
  }

  async create(
    identifier: TableIdentifier,
    more: { readonly location?: string; readonly properties?: Readonly<Record<string, string>> } = {},
  ): Promise<LoadedTable> {
    const { namespace } = identifier
    if (!(await this.catalog.listNamespaces()).includes(namespace))
      await this.catalog.createNamespace(namespace)
    return this.catalog.createTable({
      identifier,
      schema: MODEL_SCHEMA,
      partitionSpec: {
        'spec-id': 0,
        fields: [{ 'source-id': 1, 'field-id': 1000, name: 'partition', transform: 'identity' }],
      },
      ...more,
    })
  }

  /** A data file that nothing names yet. `spelled`: how its writer spells the table's folder. */
  async write(identifier: TableIdentifier, rows: readonly string[], partition = 0, spelled?: string) {
    const { location } = (await this.catalog.loadTable(identifier)).metadata
    return this.#writeTo(`${location}/data`, rows, partition, `${spelled ?? location}/data`)
  }

  async append(identifier: TableIdentifier, rows: readonly string[], partition = 0) {
    return this.commit(identifier, { kind: 'append', files: [await this.write(identifier, rows, partition)] })
  }

  async overwrite(identifier: TableIdentifier, rows: readonly string[], partition = 0) {
    const basis = (await this.catalog.loadTable(identifier)).metadata['current-snapshot-id'] ?? null
    const files = [await this.write(identifier, rows, partition)]
    return this.commit(identifier, { kind: 'overwrite-partitions', files, basis })
  }

  /** Gives back the snapshot's id. */
  async commit(
    identifier: TableIdentifier,
    change: Change,
    more: Partial<TableChange> = {},
  ): Promise<SnapshotId> {
    const snapshotId = this.newSnapshotId()
    await commitTransaction({
      catalog: this.catalog,
      changes: [{ identifier, change, snapshotId, ...more }],
      now: this.now,
      newUuid: this.newUuid,
      retry: { sleep: () => Promise.resolve(), tries: 3 },
    })
    return snapshotId
  }

  async refs(identifier: TableIdentifier, ...changes: readonly RefChange[]): Promise<void> {
    const { catalog, now, newUuid } = this
    await changeRefs({ catalog, tables: [{ identifier, changes }], now, newUuid })
  }

  /** Reads the files themselves. */
  async rows(identifier: TableIdentifier, ref = 'main'): Promise<readonly string[]> {
    const { metadata } = await this.catalog.loadTable(identifier)
    const { tasks } = await planScan({ metadata, io: this.io, target: { kind: 'ref', ref } })
    const rows = await Promise.all(tasks.map((task) => this.read(task.file)))
    return rows.flat().sort()
  }

  async files(prefix = 'file:///w'): Promise<readonly string[]> {
    const files: string[] = []
    for await (const file of this.io.list(prefix)) files.push(file.location)
    return files.sort()
  }

  readonly rewriter: Rewriter = {
    rewrite: async ({ tasks, dataLocation }) => {
      const rows = await Promise.all(tasks.map((task) => this.read(task.file)))
      const partition = Number(tasks[0]?.file.partition[0])
      return [await this.#writeTo(dataLocation, rows.flat(), partition, dataLocation)]
    },
  }

  async #writeTo(
    folder: string,
    rows: readonly string[],
    partition: number,
    spelled: string,
  ): Promise<DataFile> {
    const name = `${this.newUuid()}.parquet`
    await this.io.write(`${folder}/${name}`, Buffer.from(JSON.stringify(rows)))
    return {
      content: 'data',
      filePath: `${spelled}/${name}`,
      fileFormat: 'parquet',
      specId: 0,
      partition: [partition],
      recordCount: rows.length,
      fileSizeInBytes: 100 + rows.length,
    }
  }

  async read(file: DataFile): Promise<readonly string[]> {
    const location = file.filePath.replace(/^file:\/+/, 'file:///')
    return JSON.parse(Buffer.from(await this.io.read(location)).toString()) as string[]
  }
}
