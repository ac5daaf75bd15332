import { rename, rm } from 'node:fs/promises'
import Database from 'better-sqlite3'
import { FirnError } from '../../schemas/error.js'

const PAGES_AT_ONCE = 1000

/** A consistent copy of a SQLite database that others go on using; one file, whole or not at all. */
export async function copyDatabase(from: string, to: string): Promise<void> {
  const part = `${to}.part`
  await rm(part, { force: true })
  const source = new Database(from, { fileMustExist: true, timeout: 5000 })
  try {
    await source.backup(part, { progress: () => PAGES_AT_ONCE })
  } finally {
    source.close()
  }
  // One file, without a log beside it.
  const copy = new Database(part)
  try {
    copy.pragma('journal_mode = DELETE')
  } finally {
    copy.close()
  }
  await rename(part, to)
}

/** Takes what its log holds into a database file. Throws `invalid-input` where somebody has it open. */
export function closeDatabase(path: string): void {
  const database = new Database(path, { fileMustExist: true, timeout: 100 })
  try {
    // Only who has a database for himself may leave the write-ahead log.
    database.pragma('journal_mode = DELETE')
  } catch (cause) {
    throw new FirnError(
      'invalid-input',
      `${path} is in use: stop the worker and all that reads this lake, then restore again`,
      {
        cause,
      },
    )
  } finally {
    database.close()
  }
}
