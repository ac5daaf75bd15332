import type { NewManifestEntry } from '../format/manifest.js'
import { manifestFileOf, readManifest, writeManifest } from '../format/manifest.js'
import { writeManifestList } from '../format/manifest-list.js'
import type { FileIO } from '../io/file-io.js'
import { joinLocation } from '../io/location.js'
import { readManifests } from '../scan/manifests.js'
import type { ManifestEntry, ManifestFile } from '../spec/data-file.js'
import { currentSchema } from '../spec/schema.js'
import type { Snapshot, SnapshotId } from '../spec/snapshot.js'
import { partitionTypes, schemasNewestFirst, specById } from '../spec/specs.js'
import type { TableMetadata } from '../spec/table-metadata.js'

export interface ManifestRequest {
  readonly specId: number
  readonly content: 'data' | 'deletes'
  readonly entries: readonly NewManifestEntry[]
  readonly snapshotId: SnapshotId
  /** Default true: they may be asked for again, to be merged. */
  readonly keepsEntries?: boolean
}

export interface ManifestListRequest {
  readonly snapshotId: SnapshotId
  readonly parentSnapshotId: SnapshotId | undefined
  readonly sequenceNumber: number
  readonly manifests: readonly ManifestFile[]
  readonly attempt: number
}

interface OwnManifest {
  readonly leastSequenceNumber: number
  readonly entries?: readonly NewManifestEntry[]
}

/**
 * The manifests and manifest lists of one transaction. Reads are kept, since both never change. Writes begin at once and
 * are durable after `flush`: what a manifest list says of a manifest is known before that is on disk.
 */
export class ManifestFiles {
  readonly #io: FileIO
  readonly #newUuid: () => string
  readonly #lists = new Map<string, Promise<readonly ManifestFile[]>>()
  readonly #entries = new Map<string, Promise<readonly ManifestEntry[]>>()
  readonly #written = new Map<string, OwnManifest>()
  #writes: Promise<void>[] = []

  constructor(io: FileIO, newUuid: () => string) {
    this.#io = io
    this.#newUuid = newUuid
  }

  list(metadata: TableMetadata, snapshot: Snapshot): Promise<readonly ManifestFile[]> {
    const key = `${metadata['table-uuid']}/${String(snapshot['snapshot-id'])}`
    return kept(this.#lists, key, () => readManifests(this.#io, metadata, snapshot))
  }

  entries(metadata: TableMetadata, manifest: ManifestFile): Promise<readonly ManifestEntry[]> {
    return kept(this.#entries, manifest.manifestPath, async () =>
      readManifest(await this.#io.read(manifest.manifestPath), manifest, metadata),
    )
  }

  /** Read anew each time, so that a pass over many manifests holds none of them. */
  async readEntries(metadata: TableMetadata, manifest: ManifestFile): Promise<readonly ManifestEntry[]> {
    return readManifest(await this.#io.read(manifest.manifestPath), manifest, metadata)
  }

  /** The least data sequence number of its live files: Infinity where all of them get that of the commit. */
  leastSequenceNumber(manifest: ManifestFile): number {
    const own = this.#written.get(manifest.manifestPath)
    return own === undefined ? manifest.minSequenceNumber : own.leastSequenceNumber
  }

  /** The entries of a manifest of this transaction, which have no sequence numbers yet; undefined for any other. */
  ownEntries(manifest: ManifestFile): readonly NewManifestEntry[] | undefined {
    return this.#written.get(manifest.manifestPath)?.entries
  }

  /** Its sequence number is 0 until `writeList` gives it the commit's. */
  write(metadata: TableMetadata, request: ManifestRequest): ManifestFile {
    const spec = specById(metadata, request.specId)
    const { bytes, ...manifest } = writeManifest({
      schema: currentSchema(metadata),
      spec,
      partitionTypes: partitionTypes(schemasNewestFirst(metadata), spec),
      content: request.content,
      entries: request.entries,
      snapshotId: request.snapshotId,
      formatVersion: metadata['format-version'],
    })
    const manifestPath = joinLocation(metadataFolder(metadata), `${this.#newUuid()}-m0.avro`)
    const { keepsEntries = true, entries } = request
    this.#written.set(manifestPath, {
      leastSequenceNumber: manifest.minExplicitSequenceNumber ?? Infinity,
      ...(keepsEntries && { entries }),
    })
    this.#begin(manifestPath, bytes)
    return manifestFileOf({ ...manifest, bytes }, { manifestPath, sequenceNumber: 0 })
  }

  /** Gives back its location. */
  writeList(metadata: TableMetadata, request: ManifestListRequest): string {
    const { snapshotId, sequenceNumber, parentSnapshotId } = request
    const bytes = writeManifestList({
      manifests: request.manifests.map((manifest) => {
        const own = this.#written.get(manifest.manifestPath)
        if (own === undefined) return manifest
        const minSequenceNumber = Math.min(sequenceNumber, own.leastSequenceNumber)
        return { ...manifest, sequenceNumber, minSequenceNumber }
      }),
      snapshotId,
      parentSnapshotId,
      sequenceNumber,
      formatVersion: metadata['format-version'],
    })
    const name = `snap-${String(snapshotId)}-${request.attempt}-${this.#newUuid()}.avro`
    const location = joinLocation(metadataFolder(metadata), name)
    this.#begin(location, bytes)
    return location
  }

  /** Resolves when all that was written is durable. A failed write fails every flush: its file may be named already. */
  async flush(): Promise<void> {
    await Promise.all(this.#writes)
    this.#writes = []
  }

  #begin(location: string, bytes: Uint8Array): void {
    const write = this.#io.write(location, bytes)
    // Reported by `flush`; until then it must not count as unhandled.
    write.catch(() => undefined)
    this.#writes.push(write)
  }
}

function metadataFolder(metadata: TableMetadata): string {
  return metadata.properties['write.metadata.path'] ?? joinLocation(metadata.location, 'metadata')
}

/** A failed read is not kept: the next attempt asks again. */
function kept<V>(cache: Map<string, Promise<V>>, key: string, read: () => Promise<V>): Promise<V> {
  let value = cache.get(key)
  if (value === undefined) {
    value = read()
    value.catch(() => cache.delete(key))
    cache.set(key, value)
  }
  return value
}
