import { inParallel } from '../../iceberg/io/in-parallel.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { ifFound } from '../../iceberg/error.js'
import {
  copyName,
  FILES,
  inLots,
  readFiles,
  readHeader,
  type BackedFile,
  type BackupHeader,
} from './backup-format.js'
import type { BackupPlace } from './backup-place.js'

/** What a restore would find: files that stand, that the backup brings back, and that are lost. */
export interface RestorePlan {
  readonly header: BackupHeader
  readonly present: number
  readonly broughtBack: readonly BackedFile[]
  readonly missing: readonly BackedFile[]
}

const LOOKS_AT_ONCE = 32

/**
 * Looks at every file that the backup lists: there in its size, in the backup, or nowhere. Writes nothing. Memory: the files
 * that are not there. Errors: FirnError `not-found` where it is no backup.
 */
export async function planRestore(io: FileIO, place: BackupPlace): Promise<RestorePlan> {
  const header = await readHeader(place)
  let present = 0
  const broughtBack: BackedFile[] = []
  const missing: BackedFile[] = []
  const look = async (files: readonly BackedFile[]): Promise<void> => {
    const states = await inParallel(files, LOOKS_AT_ONCE, async (file) => {
      const found = await ifFound(io.stat(file.location))
      if (found?.sizeBytes === file.bytes) return 'present'
      return (await place.sizeOf(copyName(file.location))) === file.bytes ? 'in-backup' : 'missing'
    })
    for (const [at, file] of files.entries()) {
      if (states[at] === 'present') present += 1
      else if (states[at] === 'in-backup') broughtBack.push(file)
      else missing.push(file)
    }
  }
  await place.withFile(FILES, async (list) => {
    for await (const files of inLots(readFiles(list))) await look(files)
  })
  return { header, present, broughtBack, missing }
}

/** Files by what they belong to, most first. */
export function byOwner(
  files: readonly BackedFile[],
): readonly { readonly owner: string; readonly files: number }[] {
  const counts = new Map<string, number>()
  for (const { owner } of files) counts.set(owner, (counts.get(owner) ?? 0) + 1)
  return [...counts].map(([owner, count]) => ({ owner, files: count })).sort((a, b) => b.files - a.files)
}
