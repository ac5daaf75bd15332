import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileName } from '../../iceberg/maintain/reachable-files.js'
import { FirnError } from '../../schemas/error.js'

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

/** Where a backup keeps the copy of a file: below `data/`, whatever its location says. */
export function copyPath(folder: string, location: string): string {
  const digest = createHash('sha256').update(location).digest('hex')
  return join(folder, 'data', digest.slice(0, 2), `${digest.slice(0, 32)}-${fileName(location)}`)
}

/** Throws `not-found` where the folder holds no whole backup. */
export async function readHeader(folder: string): Promise<BackupHeader> {
  const text = await readFile(join(folder, HEADER), 'utf8').catch((cause: unknown) => {
    throw new FirnError(
      'not-found',
      `${folder} is no backup: it has no ${HEADER}. Name a folder that \`firn backup\` has written to its end.`,
      { cause },
    )
  })
  const header = parsed(text, folder) as { readonly format?: unknown }
  if (header.format === 1) return header as BackupHeader
  throw new FirnError(
    'invalid-input',
    `${join(folder, HEADER)} has format ${String(header.format)}, and this version of Firn reads format 1; use the one that wrote it`,
  )
}

/** The files of a backup, one after another. */
export async function* readFiles(folder: string): AsyncIterable<BackedFile> {
  const lines = createInterface({ input: createReadStream(join(folder, FILES)), crlfDelay: Infinity })
  for await (const line of lines) if (line !== '') yield JSON.parse(line) as BackedFile
}

function parsed(text: string, folder: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new FirnError('invalid-input', `${join(folder, HEADER)} is damaged: take another backup`, { cause })
  }
}
