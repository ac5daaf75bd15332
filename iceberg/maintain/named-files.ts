import { IcebergError, isIcebergError } from '../error.js'
import type { AvroNames } from '../format/avro/avro-schema.js'
import { openContainer } from '../format/avro/container.js'
import type { MakeFieldReader } from '../format/record-reader.js'
import { compileRecord } from '../format/record-reader.js'
import type { FileIO } from '../io/file-io.js'
import type { Snapshot } from '../spec/snapshot.js'

/** A manifest as clean-up needs it. */
export interface NamedManifest {
  readonly manifestPath: string
  /** 0 where only its path is known (v1). */
  readonly sizeBytes: number
  /** False only where it is certain that every entry is marked as deleted. */
  readonly mayHaveLive: boolean
  /** Absent where only its path is known (v1). */
  readonly specId?: number
  readonly isDeletes: boolean
}

export interface NamedFile {
  readonly location: string
  readonly sizeBytes: number
  readonly isLive: boolean
}

/** The manifests of a snapshot, of which nothing but paths, lengths and counts is decoded. */
export async function namedManifests(io: FileIO, snapshot: Snapshot): Promise<readonly NamedManifest[]> {
  const list = snapshot['manifest-list']
  if (list === undefined) {
    return (snapshot.manifests ?? []).map((manifestPath) => ({
      manifestPath,
      sizeBytes: 0,
      mayHaveLive: true,
      isDeletes: false,
    }))
  }
  const manifests: NamedManifest[] = []
  await eachRecord(
    io,
    list,
    MANIFEST_FIELDS,
    newManifestDraft,
    ({ manifestPath, sizeBytes, specId, content, added, existing }) => {
      const mayHaveLive = added !== 0 || existing !== 0
      manifests.push({ manifestPath, sizeBytes, mayHaveLive, specId, isDeletes: content === DELETES })
    },
  )
  return manifests
}

/** Calls `visit` for each file that a manifest names, of which no metrics are decoded: planning costs many times as much. */
export function eachNamedFile(
  io: FileIO,
  manifestPath: string,
  visit: (file: NamedFile) => void,
): Promise<void> {
  return eachRecord(io, manifestPath, ENTRY_FIELDS, newFileDraft, ({ location, sizeBytes, status }) =>
    visit({ location, sizeBytes, isLive: status !== DELETED }),
  )
}

/** Status of an entry. */
const DELETED = 2
/** Content of a manifest. */
const DELETES = 1

interface ManifestDraft {
  manifestPath: string
  sizeBytes: number
  specId: number
  content: number
  /** -1: a v1 writer left it out. */
  added: number
  existing: number
}

function newManifestDraft(): ManifestDraft {
  return { manifestPath: '', sizeBytes: 0, specId: 0, content: 0, added: -1, existing: -1 }
}

const MANIFEST_FIELDS: ReadonlyMap<number, MakeFieldReader<ManifestDraft>> = new Map([
  [500, () => (cursor, draft) => void (draft.manifestPath = cursor.readString())],
  [501, () => (cursor, draft) => void (draft.sizeBytes = cursor.readLong())],
  [502, () => (cursor, draft) => void (draft.specId = cursor.readLong())],
  [517, () => (cursor, draft) => void (draft.content = cursor.readLong())],
  [504, () => (cursor, draft) => void (draft.added = cursor.readLong())],
  [505, () => (cursor, draft) => void (draft.existing = cursor.readLong())],
] satisfies [number, MakeFieldReader<ManifestDraft>][])

interface FileDraft {
  location: string
  sizeBytes: number
  status: number
}

function newFileDraft(): FileDraft {
  return { location: '', sizeBytes: 0, status: -1 }
}

const FILE_FIELDS: ReadonlyMap<number, MakeFieldReader<FileDraft>> = new Map([
  [100, () => (cursor, draft) => void (draft.location = cursor.readString())],
  [104, () => (cursor, draft) => void (draft.sizeBytes = cursor.readLong())],
] satisfies [number, MakeFieldReader<FileDraft>][])

const ENTRY_FIELDS: ReadonlyMap<number, MakeFieldReader<FileDraft>> = new Map([
  [0, () => (cursor, draft) => void (draft.status = cursor.readLong())],
  [2, ({ node }, names) => compileRecord(node, names, FILE_FIELDS)],
] satisfies [number, MakeFieldReader<FileDraft>][])

async function eachRecord<T>(
  io: FileIO,
  location: string,
  fields: ReadonlyMap<number, MakeFieldReader<T>>,
  newDraft: () => T,
  visit: (draft: T) => void,
): Promise<void> {
  const bytes = await io.read(location)
  try {
    const container = openContainer(bytes)
    const names: AvroNames = new Map()
    const readRecord = compileRecord(container.schema, names, fields)
    container.forEachRecord((cursor) => {
      const draft = newDraft()
      readRecord(cursor, draft)
      visit(draft)
    })
  } catch (cause) {
    if (isIcebergError(cause, 'unsupported')) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IcebergError(
      'data-invalid',
      `${location} cannot be read: ${reason}; nothing was deleted on its account, restore it first`,
      { cause, context: { location } },
    )
  }
}
