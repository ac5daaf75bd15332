import type { LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryPointerStore } from '../../iceberg/catalog/memory.js'
import { PointerCatalog } from '../../iceberg/catalog/pointer-catalog.js'
import type { PointerStore } from '../../iceberg/catalog/pointer-store.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import type { DeleteRewriter, Rewriter } from '../../iceberg/maintain/rewriter.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { SnapshotId } from '../../iceberg/spec/snapshot.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs, type RefChange } from '../../iceberg/write/refs.js'
import type { Change, TableChange } from '../../iceberg/write/table-change.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { BY_PARTITION, MODEL_SCHEMA } from './lake-model.js'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

type Position = readonly [path: string, at: number]

interface Options {
  /** The delete file says which data file it is for, where it is one. */
  readonly named?: boolean
}

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
      partitionSpec: BY_PARTITION,
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

  /** Merge-on-read: a position-delete file for all of the rows in the partition; nothing where it has none of them. */
  async deleteRows(identifier: TableIdentifier, rows: readonly string[], partition = 0, more: Options = {}) {
    const change = await this.computeDelete(identifier, rows, partition, more)
    return change === undefined ? undefined : this.commit(identifier, change)
  }

  async computeDelete(
    identifier: TableIdentifier,
    rows: readonly string[],
    partition = 0,
    { named = false }: Options = {},
  ): Promise<Change | undefined> {
    const { metadata } = await this.catalog.loadTable(identifier)
    const { tasks } = await planScan({ metadata, io: this.io })
    const here = tasks.filter((task) => task.file.partition[0] === partition)
    const found = await Promise.all(here.map(async (task) => ({ task, rows: await this.#positions(task) })))
    const gone = found.flatMap((one) =>
      one.rows.flatMap(({ row, at }) =>
        rows.includes(row) ? [{ path: one.task.file.filePath, at, file: one.task.file }] : [],
      ),
    )
    if (gone.length === 0) return undefined
    const deletedFrom = [...new Set(gone.map(({ file }) => file))]
    const positions = gone.map(({ path, at }) => [path, at] as const)
    const folder = `${metadata.location}/data`
    const deletes = await this.#writeDeletes(folder, 'position-deletes', positions, partition)
    const [first] = deletedFrom
    const isNamed = named && deletedFrom.length === 1 && first !== undefined
    return {
      ...{
        kind: 'row-delta',
        removed: [],
        added: [],
        deletedFrom,
        filter: alwaysTrue,
        isolation: 'snapshot',
      },
      deletes: [isNamed ? { ...deletes, referencedDataFile: first.filePath } : deletes],
      basis: metadata['current-snapshot-id'] ?? null,
    }
  }

  /** As a streaming peer does: never reads, deletes by key whatever is older and adds the rows anew. */
  async upsertBlindly(
    identifier: TableIdentifier,
    { deletes, adds }: { readonly deletes: readonly string[]; readonly adds: readonly string[] },
    partition = 0,
  ) {
    return this.commit(identifier, await this.computeBlindUpsert(identifier, { deletes, adds }, partition))
  }

  async computeBlindUpsert(
    identifier: TableIdentifier,
    { deletes, adds }: { readonly deletes: readonly string[]; readonly adds: readonly string[] },
    partition = 0,
  ): Promise<Change> {
    const { metadata } = await this.catalog.loadTable(identifier)
    const folder = `${metadata.location}/data`
    const file = await this.#writeDeletes(folder, 'equality-deletes', deletes, partition)
    return {
      ...{ kind: 'row-delta', removed: [], deletedFrom: [], filter: alwaysTrue, isolation: 'snapshot' },
      added: adds.length === 0 ? [] : [await this.write(identifier, adds, partition)],
      deletes: [{ ...file, equalityIds: [2] }],
      basis: metadata['current-snapshot-id'] ?? null,
    }
  }

  /** Reads the files themselves. */
  async rows(identifier: TableIdentifier, ref = 'main'): Promise<readonly string[]> {
    const { metadata } = await this.catalog.loadTable(identifier)
    const { tasks } = await planScan({ metadata, io: this.io, target: { kind: 'ref', ref } })
    const rows = await Promise.all(tasks.map((task) => this.liveRows(task)))
    return rows.flat().sort()
  }

  async liveRows(task: FileScanTask): Promise<readonly string[]> {
    return (await this.#positions(task)).map(({ row }) => row)
  }

  async #positions({ file, deletes }: FileScanTask) {
    const gone = new Set<string | number>()
    for (const one of deletes) {
      for (const item of await this.readDeletes(one)) {
        if (typeof item === 'string') gone.add(item)
        else if (item[0] === file.filePath) gone.add(item[1])
      }
    }
    const rows = (await this.read(file)).map((row, at) => ({ row, at }))
    return rows.filter(({ row, at }) => !gone.has(row) && !gone.has(at))
  }

  async files(prefix = 'file:///w'): Promise<readonly string[]> {
    const files: string[] = []
    for await (const file of this.io.list(prefix)) files.push(file.location)
    return files.sort()
  }

  readonly rewriter: Rewriter & DeleteRewriter = {
    rewrite: async ({ tasks, dataLocation }) => {
      const rows = await Promise.all(tasks.map((task) => this.liveRows(task)))
      const partition = Number(tasks[0]?.file.partition[0])
      return [await this.#writeTo(dataLocation, rows.flat(), partition, dataLocation)]
    },
    rewriteDeletes: async ({ deletes, dataFiles, dataLocation, partition }) => {
      const items = (await Promise.all(deletes.map((file) => this.readDeletes(file)))).flat()
      const live = items.filter((item): item is Position => dataFiles.includes(item[0]))
      const distinct = [...new Map(live.map((item) => [item.join(), item])).values()]
      return [await this.#writeDeletes(dataLocation, 'position-deletes', distinct, Number(partition[0]))]
    },
  }

  async #writeDeletes(
    folder: string,
    content: DataFile['content'],
    items: readonly (string | Position)[],
    partition: number,
  ): Promise<DataFile> {
    const filePath = `${folder}/${this.newUuid()}-deletes.parquet`
    await this.io.write(filePath, Buffer.from(JSON.stringify(items)))
    return {
      ...{ content, filePath, fileFormat: 'parquet', specId: 0, partition: [partition] },
      ...{ recordCount: items.length, fileSizeInBytes: 100 + items.length },
    }
  }

  /** Values of equality deletes, or pairs of data file and position. */
  async readDeletes(file: DataFile): Promise<readonly (string | Position)[]> {
    return JSON.parse(Buffer.from(await this.io.read(file.filePath)).toString()) as (string | Position)[]
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
