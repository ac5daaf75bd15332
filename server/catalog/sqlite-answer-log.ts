import { gunzipSync, gzipSync } from 'node:zlib'
import { SqliteConnection, type SqliteConnectionOptions } from '../../iceberg/catalog/sqlite-connection.js'
import type { AnswerLog, FinalAnswer, KeptAnswer } from './answer-log.js'
import { KEY_LIFETIME_HOURS } from './answer-log.js'

const KEY_LIFETIME_MS = KEY_LIFETIME_HOURS * 3_600_000
const MOST_ANSWERS = 100_000

const TABLE = `
  CREATE TABLE IF NOT EXISTS firn_idempotent_answers (
    idempotency_key TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    status INTEGER,
    body BLOB,
    etag TEXT
  );
  CREATE INDEX IF NOT EXISTS firn_idempotent_answers_age ON firn_idempotent_answers (started_ms);`

interface Row {
  readonly fingerprint: string
  readonly status: number | null
  readonly body: Buffer | null
  readonly etag: string | null
}

/** Answers in a table of their own beside the catalog's, bodies gzipped; the oldest go after an hour, or beyond 100,000. */
export class SqliteAnswerLog implements AnswerLog {
  readonly #connection: SqliteConnection
  readonly #now: () => number
  readonly #statements: ReturnType<typeof prepare>

  constructor(options: SqliteConnectionOptions) {
    this.#connection = new SqliteConnection(options, TABLE)
    this.#now = options.now
    this.#statements = prepare(this.#connection)
  }

  start(key: string, fingerprint: string): Promise<KeptAnswer | undefined> {
    return this.#connection.transaction('IMMEDIATE', () => {
      const now = this.#now()
      this.#statements.expire.run(now - KEY_LIFETIME_MS)
      const row = this.#statements.find.get(key)
      if (row !== undefined) return keptAnswer(row)
      this.#statements.start.run(key, fingerprint, now)
      this.#statements.trim.run(MOST_ANSWERS)
      return undefined
    })
  }

  finish(key: string, { status, body, etag }: FinalAnswer): Promise<void> {
    const packed = body === '' ? null : gzipSync(body, { level: 1 })
    return this.#connection.transaction('IMMEDIATE', () => {
      this.#statements.finish.run(status, packed, etag ?? null, key)
    })
  }

  forget(key: string): Promise<void> {
    return this.#connection.transaction('IMMEDIATE', () => {
      this.#statements.forget.run(key)
    })
  }

  close(): void {
    this.#connection.database.close()
  }
}

function keptAnswer({ fingerprint, status, body, etag }: Row): KeptAnswer {
  if (status === null) return { fingerprint }
  const text = body === null ? '' : gunzipSync(body).toString()
  return { fingerprint, final: { status, body: text, ...(etag === null ? {} : { etag }) } }
}

function prepare({ database }: SqliteConnection) {
  const table = 'firn_idempotent_answers'
  return {
    find: database.prepare<[string], Row>(
      `SELECT fingerprint, status, body, etag FROM ${table} WHERE idempotency_key = ?`,
    ),
    start: database.prepare<[string, string, number]>(
      `INSERT INTO ${table} (idempotency_key, fingerprint, started_ms) VALUES (?, ?, ?)`,
    ),
    finish: database.prepare<[number, Buffer | null, string | null, string]>(
      `UPDATE ${table} SET status = ?, body = ?, etag = ? WHERE idempotency_key = ?`,
    ),
    forget: database.prepare<[string]>(`DELETE FROM ${table} WHERE idempotency_key = ? AND status IS NULL`),
    expire: database.prepare<[number]>(`DELETE FROM ${table} WHERE started_ms < ?`),
    trim: database.prepare<[number]>(
      `DELETE FROM ${table} WHERE rowid <= (SELECT max(rowid) FROM ${table}) - ?`,
    ),
  }
}
