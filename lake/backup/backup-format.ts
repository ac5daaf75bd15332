import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { isIcebergError } from '../../iceberg/error.js'
import { fileName } from '../../iceberg/maintain/reachable-files.js'
import { FirnError } from '../../schemas/error.js'
import type { BackupPlace } from './backup-place.js'

/** `backup.json`, written last: a folder without it is no backup. */
export interface BackupHeader {
  readonly format: 1
  readonly id: string
  /** ISO-8601, UTC. */
  readonly takenAt: string
  readonly warehouse: string
  /** `sqlite`: `catalog.db` lies in the folder. A server's address: what that server keeps is not in it. */
  readonly catalog: { readonly kind: 'sqlite' } | { readonly kind: 'rest'; readonly uri: string }
  /** Whether the files are in it as well. */
  readonly withData: boolean
  readonly files: number
  readonly bytes: number
  readonly tables: readonly BackedTable[]
  readonly positions: readonly BackedPosition[]
}

export interface BackedTable {
  /** `namespace.name` */
  readonly table: string
  readonly uuid: string
  readonly metadataLocation: string
  readonly snapshotId: string | null
  readonly snapshots: number
}

/** Where the ledger of a source ends. */
export interface BackedPosition {
  readonly source: string
  readonly nextRow: number
  readonly partitions: readonly {
    readonly incarnation: string
    readonly partition: number
    readonly next: number
    readonly lastRecord: string | null
  }[]
}

/** A line of `files.jsonl`. */
export interface BackedFile {
  /** Table, `raw.<source>` for raw objects, `models` for artifacts. */
  readonly owner: string
  readonly location: string
  readonly bytes: number
  /** In hex, where something recorded it. */
  readonly sha256?: string
}

export const HEADER = 'backup.json'
export const FILES = 'files.jsonl'
export const CATALOG_DATABASE = 'catalog.db'
export const REGISTRY_DATABASE = 'registry.db'

/** What a backup calls its copy of a file: below `data/`, whatever its location says. */
export function copyName(location: string): string {
  const digest = createHash('sha256').update(location).digest('hex')
  return `data/${digest.slice(0, 2)}/${digest.slice(0, 32)}-${fileName(location)}`
}

/** Throws `not-found` where there is no whole backup. */
export async function readHeader(place: BackupPlace): Promise<BackupHeader> {
  const text = await place
    .withFile(HEADER, (path) => readFile(path, 'utf8'))
    .catch((cause: unknown) => {
      if (!isAbsent(cause)) throw cause
      throw new FirnError(
        'not-found',
        `${place.name} is no backup: it has no ${HEADER}. Name a place that \`firn backup\` has written to its end.`,
        { cause },
      )
    })
  const header = parsed(text, place) as { readonly format?: unknown }
  if (header.format === 1) return header as BackupHeader
  throw new FirnError(
    'invalid-input',
    `${HEADER} in ${place.name} has format ${String(header.format)}, and this version of Firn reads format 1; use the one that wrote it`,
  )
}

/** The files that a list of a backup names, one after another. */
export async function* readFiles(list: string): AsyncIterable<BackedFile> {
  const lines = createInterface({ input: createReadStream(list), crlfDelay: Infinity })
  for await (const line of lines) if (line !== '') yield JSON.parse(line) as BackedFile
}

/** A thousand at a time, so that they can be dealt with side by side. */
export async function* inLots<T>(items: AsyncIterable<T>): AsyncIterable<readonly T[]> {
  let lot: T[] = []
  for await (const item of items) {
    lot.push(item)
    if (lot.length < 1000) continue
    yield lot
    lot = []
  }
  if (lot.length > 0) yield lot
}

function isAbsent(error: unknown): boolean {
  return (
    isIcebergError(error, 'not-found') ||
    (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
  )
}

function parsed(text: string, place: BackupPlace): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new FirnError('invalid-input', `${HEADER} in ${place.name} is damaged: take another backup`, {
      cause,
    })
  }
}
