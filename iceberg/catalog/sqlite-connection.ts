import Database from 'better-sqlite3'
import { setTimeout as sleep } from 'node:timers/promises'
import { IcebergError } from '../error.js'
import { uuidFraction } from './uuid-fraction.js'

export interface SqliteConnectionOptions {
  readonly path: string
  readonly now: () => number
  readonly newUuid: () => string
  readonly lockTimeoutMs?: number
}

/** The database's own wait blocks the event loop, so it is short; the rest is waited for asynchronously. */
const BUSY_TIMEOUT_MS = 50
const LOCK_TIMEOUT_MS = 30_000
const FIRST_WAIT_MS = 2
const MAX_WAIT_MS = 100

/** A SQLite database (WAL, synchronous=FULL) whose `tables` are made where they are missing. */
export class SqliteConnection {
  readonly database: Database.Database
  readonly #options: SqliteConnectionOptions

  constructor(options: SqliteConnectionOptions, tables: string) {
    this.#options = options
    this.database = open(options.path, tables)
  }

  /** `action` runs inside one transaction and may be repeated, as long as the database is locked by others. */
  async transaction<T>(mode: 'DEFERRED' | 'IMMEDIATE', action: () => T): Promise<T> {
    const startedMs = this.#options.now()
    const limitMs = this.#options.lockTimeoutMs ?? LOCK_TIMEOUT_MS
    let waitedMs = 0
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
      try {
        return this.#once(mode, action)
      } catch (error) {
        if (!isBusy(error)) throw error
        // Both clocks: an injected one may stand still.
        if (Math.max(waitedMs, this.#options.now() - startedMs) >= limitMs)
          throw stillLocked(this.#options, error)
      }
      const jittered = waitMs * (0.5 + uuidFraction(this.#options.newUuid()))
      waitedMs += jittered + BUSY_TIMEOUT_MS
      await sleep(jittered)
    }
  }

  #once<T>(mode: 'DEFERRED' | 'IMMEDIATE', action: () => T): T {
    let committing = false
    try {
      this.database.exec(`BEGIN ${mode}`)
      const result = action()
      committing = mode === 'IMMEDIATE'
      this.database.exec('COMMIT')
      return result
    } catch (error) {
      if (this.database.inTransaction) this.database.exec('ROLLBACK')
      if (isBusy(error)) throw error
      throw failed(this.#options.path, committing, error)
    }
  }
}

function open(path: string, tables: string): Database.Database {
  let database
  try {
    database = new Database(path, { timeout: 5000 })
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.exec(tables)
    database.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`)
    return database
  } catch (error) {
    database?.close()
    throw failed(path, false, error)
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code)
}

function stillLocked({ path, lockTimeoutMs }: SqliteConnectionOptions, cause: unknown): IcebergError {
  return new IcebergError(
    'io',
    `${path} has been locked by another process for ${(lockTimeoutMs ?? LOCK_TIMEOUT_MS) / 1000} s; see who holds it and retry`,
    { context: { path }, cause },
  )
}

function failed(path: string, committing: boolean, cause: unknown): IcebergError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return committing
    ? new IcebergError(
        'commit-unknown',
        `${path}: the answer to a commit was lost (${reason}); load and look`,
        {
          context: { path },
          cause,
        },
      )
    : new IcebergError('io', `${path} could not be used as a catalog: ${reason}`, {
        context: { path },
        cause,
      })
}
