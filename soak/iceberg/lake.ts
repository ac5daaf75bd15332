import type { LoadedTable, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryPointerStore } from '../../iceberg/catalog/memory.js'
import { PointerCatalog } from '../../iceberg/catalog/pointer-catalog.js'
import type { Swap } from '../../iceberg/catalog/pointer-store.js'
import { readManifest } from '../../iceberg/format/manifest.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import type { DeleteRewriter, Rewriter } from '../../iceberg/maintain/rewriter.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import type { DataFile, ManifestEntry } from '../../iceberg/spec/data-file.js'
import { encodeValue } from '../../iceberg/spec/single-value.js'
import type { Snapshot, SnapshotId } from '../../iceberg/spec/snapshot.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../iceberg/spec/type.js'
import type { Fault, Scheduler } from '../faults.js'
import { FaultyFileIO, FaultyPointerStore, Session } from '../faults.js'
import type { Row } from './rows.js'

export const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'p', required: true, type: 'int' },
    { id: 2, name: 'key', required: true, type: 'string' },
    { id: 3, name: 'value', required: true, type: 'int' },
  ],
}
const KEY_ID = 2

/** Called after each swap, on the state that it made, before anybody else goes on. */
export type OnSwap = (swaps: readonly Swap[]) => Promise<void>

/** A data file's live rows, with their positions in it. */
export interface LiveFile {
  readonly entry: ManifestEntry
  readonly rows: readonly { readonly row: Row; readonly position: number }[]
}

/** A lake in memory whose files are there as files: what is deleted can't be read any more. */
export class Lake {
  nowMs = 1_800_000_000_000
  /** How many were met. */
  faults = 0
  readonly io = new MemoryFileIO({ now: () => this.nowMs })
  readonly store: MemoryPointerStore
  /** Nothing fails here: for set-up and for looking. */
  readonly catalog: PointerCatalog
  readonly scheduler: Scheduler
  #counter = 0

  constructor(scheduler: Scheduler, onSwap: OnSwap) {
    this.scheduler = scheduler
    this.store = new (class extends MemoryPointerStore {
      override async swap(wanted: readonly Swap[]): Promise<boolean> {
        const isDone = await super.swap(wanted)
        if (isDone) await onSwap(wanted)
        return isDone
      }
    })()
    this.catalog = new PointerCatalog(this.store, this.#options(this.io))
  }

  now = (): number => this.nowMs
  newUuid = (): string => `00000000-0000-4000-8000-${(++this.#counter).toString(16).padStart(12, '0')}`
  newSnapshotId = (): SnapshotId => toSnapshotId(2n ** 60n + BigInt(++this.#counter))

  /** A process of its own, whose calls take turns with others' and fail as planned. */
  open(faults: ReadonlyMap<number, Fault>): { readonly catalog: PointerCatalog; readonly session: Session } {
    const session = new Session(this.scheduler, faults)
    const io = new FaultyFileIO(this.io, session)
    return {
      session,
      catalog: new PointerCatalog(new FaultyPointerStore(this.store, session), this.#options(io)),
    }
  }

  #options(io: FileIO) {
    const { now, newUuid } = this
    return { name: 'soak', warehouse: 'file:///w', io, now, newUuid }
  }

  async createTables(tables: readonly TableIdentifier[], properties: Readonly<Record<string, string>>) {
    await this.catalog.createNamespace('s')
    for (const identifier of tables) {
      await this.catalog.createTable({
        identifier,
        schema: SCHEMA,
        partitionSpec: {
          'spec-id': 0,
          fields: [{ 'source-id': 1, 'field-id': 1000, name: 'p', transform: 'identity' }],
        },
        properties,
      })
    }
  }

  /** Writes a data file of one partition, by default of the table's spec; `io` is the writing process's. */
  async writeRows(
    io: FileIO,
    { metadata }: Pick<LoadedTable, 'metadata'>,
    rows: readonly Row[],
    specId = metadata['default-spec-id'],
  ): Promise<DataFile> {
    const filePath = `${metadata.location}/data/${this.newUuid()}.parquet`
    await io.write(filePath, Buffer.from(JSON.stringify(rows)))
    const keys = rows.map((row) => row.key).sort()
    const bound = (key: string | undefined) => new Map([[KEY_ID, encodeValue('string', key ?? '')]])
    return {
      ...base(filePath, rows.length),
      ...placeOf(metadata, specId, rows[0]?.p ?? 0),
      content: 'data',
      lowerBounds: bound(keys[0]),
      upperBounds: bound(keys.at(-1)),
    }
  }

  async writePositionDeletes(
    io: FileIO,
    { metadata }: Pick<LoadedTable, 'metadata'>,
    of: Pick<DataFile, 'filePath' | 'specId' | 'partition'>,
    positions: readonly number[],
  ): Promise<DataFile> {
    const filePath = `${metadata.location}/data/${this.newUuid()}-deletes.parquet`
    await io.write(
      filePath,
      Buffer.from(JSON.stringify(positions.map((position) => [of.filePath, position]))),
    )
    return {
      ...base(filePath, positions.length),
      specId: of.specId,
      partition: of.partition,
      content: 'position-deletes',
      referencedDataFile: of.filePath,
    }
  }

  async writeEqualityDeletes(
    io: FileIO,
    { metadata }: Pick<LoadedTable, 'metadata'>,
    p: number,
    keys: readonly string[],
  ): Promise<DataFile> {
    const filePath = `${metadata.location}/data/${this.newUuid()}-eq-deletes.parquet`
    await io.write(filePath, Buffer.from(JSON.stringify(keys)))
    // Files of the spec without fields are reached by deletes of that spec alone, which reach every other file too.
    const global = metadata['partition-specs'].find((spec) => spec.fields.length === 0)
    const place = placeOf(metadata, global?.['spec-id'] ?? 0, p)
    return { ...base(filePath, keys.length), ...place, content: 'equality-deletes', equalityIds: [KEY_ID] }
  }

  /** Reads a snapshot by brute force, by the spec's rules and none of the planner's code. */
  async liveFiles(
    io: FileIO,
    metadata: TableMetadata,
    snapshot: Snapshot | undefined,
  ): Promise<readonly LiveFile[]> {
    if (snapshot === undefined) return []
    const entries: ManifestEntry[] = []
    for (const manifest of await readManifests(io, metadata, snapshot)) {
      entries.push(...readManifest(await io.read(manifest.manifestPath), manifest, metadata))
    }
    const live = entries.filter((entry) => entry.status !== 'deleted')
    const deletes = await Promise.all(
      live
        .filter((entry) => entry.file.content !== 'data')
        .map(async (entry) => ({ entry, content: await readJson(io, entry.file) })),
    )
    return Promise.all(
      live
        .filter((entry) => entry.file.content === 'data')
        .map(async (entry) => {
          const rows = (await readJson(io, entry.file)) as readonly Row[]
          const isDead = (row: Row, position: number) =>
            deletes.some((one) => kills(one.entry, one.content, entry, row, position))
          return {
            entry,
            rows: rows
              .map((row, position) => ({ row, position }))
              .filter(({ row, position }) => !isDead(row, position)),
          }
        }),
    )
  }

  async rows(metadata: TableMetadata, snapshot: Snapshot | undefined): Promise<readonly Row[]> {
    const files = await this.liveFiles(this.io, metadata, snapshot)
    return files.flatMap((file) => file.rows.map(({ row }) => row))
  }

  async keysOf(files: readonly DataFile[]): Promise<readonly string[]> {
    const contents = await Promise.all(files.map((file) => readJson(this.io, file)))
    return contents.flatMap((rows) => (rows as readonly Row[]).map((row) => row.key))
  }

  /** Compaction's hands, for a process whose calls may fail. */
  rewriter(io: FileIO, table: Pick<LoadedTable, 'metadata'>): Rewriter & DeleteRewriter {
    return {
      rewriteDeletes: async ({ deletes, dataFiles }) => {
        const contents = await Promise.all(deletes.map((file) => readJson(io, file)))
        const pairs = contents.flat() as readonly (readonly [string, number])[]
        const written: DataFile[] = []
        for (const filePath of dataFiles) {
          const positions = pairs.filter(([path]) => path === filePath).map(([, position]) => position)
          const [first] = deletes
          if (positions.length === 0 || first === undefined) continue
          const of = { filePath, specId: first.specId, partition: first.partition }
          written.push(await this.writePositionDeletes(io, table, of, [...new Set(positions)]))
        }
        return written
      },
      rewrite: async ({ tasks, spec }) => {
        const rows: Row[] = []
        for (const { file, sequenceNumber, deletes } of tasks) {
          const contents = await Promise.all(deletes.map((one) => readJson(io, one)))
          const all = (await readJson(io, file)) as readonly Row[]
          rows.push(
            ...all.filter(
              (row, position) =>
                !deletes.some((one, at) =>
                  // The planner has settled which deletes apply.
                  kills(
                    { file: one, sequenceNumber: sequenceNumber + 1 },
                    contents[at],
                    { file, sequenceNumber },
                    row,
                    position,
                  ),
                ),
            ),
          )
        }
        const places =
          spec.fields.length === 0 ? [rows] : [0, 1].map((p) => rows.filter((row) => row.p === p))
        const written: DataFile[] = []
        for (const some of places)
          if (some.length > 0) written.push(await this.writeRows(io, table, some, spec['spec-id']))
        return written
      },
    }
  }
}

type Placed = Pick<ManifestEntry, 'file' | 'sequenceNumber'>

/** Iceberg spec, "Scan Planning": position deletes reach their own commit, equality deletes only what is older. */
function kills(deletes: Placed, content: unknown, data: Placed, row: Row, position: number): boolean {
  if (deletes.file.content === 'position-deletes') {
    if (deletes.sequenceNumber < data.sequenceNumber) return false
    return (content as readonly [string, number][]).some(
      ([path, at]) => path === data.file.filePath && at === position,
    )
  }
  return (
    deletes.sequenceNumber > data.sequenceNumber &&
    (deletes.file.partition.length === 0 ||
      (deletes.file.specId === data.file.specId && deletes.file.partition[0] === data.file.partition[0])) &&
    (content as readonly string[]).includes(row.key)
  )
}

async function readJson(io: FileIO, file: DataFile): Promise<unknown> {
  return JSON.parse(Buffer.from(await io.read(file.filePath)).toString()) as unknown
}

/** The table's specs are the one that it was made with, by `p`, and at times one without fields. */
function placeOf(metadata: TableMetadata, specId: number, p: number) {
  const spec = metadata['partition-specs'].find((one) => one['spec-id'] === specId)
  return { specId, partition: spec?.fields.length === 0 ? [] : [p] }
}

function base(filePath: string, recordCount: number) {
  return {
    filePath,
    fileFormat: 'parquet' as const,
    recordCount,
    fileSizeInBytes: 100 + recordCount,
  }
}
