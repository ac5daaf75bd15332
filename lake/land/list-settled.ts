import { compareLocations } from '../../iceberg/io/location.js'
import { parseBatchId, processingDateOf } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { LastLanded } from './new-files.js'
import type { ListedFile, SourceFiles } from './source-files.js'

/** Files that a landing may take. */
export interface SettledFiles {
  readonly files: readonly ListedFile[]
  /** What a person should know of the listing. */
  readonly warnings: readonly string[]
}

/** A store lists so many names a request; from so many requests on, their number is worth a word. */
const NAMES_A_REQUEST = 1000
const REQUESTS_TO_NAME = 10
const WEEK_MS = 7 * 86_400_000

/**
 * The files that have settled, in their order. Where new names always sort behind the landed ones (`rising`) only those are
 * asked for, and all of them in the first landing of a week, in case that was not so; what sorts behind a file that still
 * settles waits with it then.
 */
export async function listSettled(
  deps: Pick<LakeDeps, 'now' | 'settings'>,
  source: SourceFiles,
  landing: {
    readonly batch: string
    readonly from: string
    readonly isRising: boolean
    /** Of a rising source. */
    readonly last?: LastLanded | undefined
  },
): Promise<SettledFiles> {
  const { last } = landing
  const isWhole = last === undefined || weekOf(last.batch) !== weekOf(landing.batch)
  const listing = await source.list(isWhole ? undefined : last.path)
  const settledBeforeMs = deps.settings.settleMs === 0 ? Infinity : deps.now() - deps.settings.settleMs
  const isYoung = ({ mtimeMs }: ListedFile): boolean => mtimeMs > settledBeforeMs
  const held = landing.isRising
    ? listing.files.find((file) => isYoung(file) && (last === undefined || isBehind(file, last)))
    : undefined
  const files = listing.files.filter(
    (file) => !isYoung(file) && (held === undefined || compareLocations(file.path, held.path) < 0),
  )
  const unnamed = listing.gone.filter((path) => path.includes('\ufffd'))
  const waiting = listing.files.length - files.length
  return {
    files,
    warnings: [
      ...unnamed.map((path) => `${JSON.stringify(path)} can't be opened: its name is not UTF-8; rename it`),
      ...(waiting > 0 ? [`${waiting} files are too young and wait for the next landing`] : []),
      ...(isWhole ? remarksOn(landing.from, listing.seen) : []),
    ],
  }
}

/** Whether the file's name comes after all that are landed. */
export function isBehind(file: ListedFile, last: LastLanded): boolean {
  return compareLocations(file.path, last.path) > 0
}

function remarksOn(from: string, seen: number): readonly string[] {
  if (!from.startsWith('s3:')) return []
  if (seen === 0) return [`nothing lies under ${from}: check the bucket and the prefix`]
  const requests = Math.ceil(seen / NAMES_A_REQUEST)
  if (requests < REQUESTS_TO_NAME) return []
  return [
    `all ${seen} names under ${from} were listed, in ${requests} requests: where new names always sort behind the landed ` +
      "ones, `fileNames: 'rising'` in the source lists those alone",
  ]
}

function weekOf(batch: string): number {
  return Math.floor(Date.parse(processingDateOf(parseBatchId(batch))) / WEEK_MS)
}
