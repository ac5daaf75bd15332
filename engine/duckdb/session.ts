import type {
  DuckDBConnection,
  DuckDBPreparedStatement,
  DuckDBResult,
  DuckDBResultReader,
} from '@duckdb/node-api'
import { StatementType } from '@duckdb/node-api'
import type { RecordBatch } from 'apache-arrow'
import type { FileIO } from '../../iceberg/io/file-io.js'
import type {
  EngineSession,
  QueryResult,
  Relation,
  Row,
  StreamOptions,
  WriteTarget,
  WrittenFiles,
} from '../engine.js'
import { EngineError } from '../engine.js'
import type { AppendColumns } from './append-rows.js'
import { appendRows } from './append-rows.js'
import { engineErrorOf, isFatal } from './duckdb-error.js'
import type { LocalFiles } from '../local-files.js'
import { outputFiles } from '../output-files.js'
import type { FileSchema } from './file-schemas.js'
import { rawSql } from './raw-relation.js'
import { toDuckDBValue, toRowValue } from './row-values.js'
import { scanSql } from './scan-relation.js'
import { quoteName, sqlType } from './sql-text.js'
import { streamBatches } from './stream-batches.js'
import { writeFiles } from './write-files.js'

export interface SessionOptions {
  readonly connection: DuckDBConnection
  /** Another connection to the same instance. */
  readonly connect: () => Promise<DuckDBConnection>
  readonly signal?: AbortSignal
  readonly newUuid: () => string
  /** Names of the functions that the instance has. */
  readonly functions: Set<string>
  /** Footers read before, shared by the engine's sessions. */
  readonly fileSchemas: Map<string, FileSchema>
  readonly files: LocalFiles
  /** Storage of locations that are not on the local disk. */
  readonly io: FileIO | undefined
  readonly tempDirectory: string
  /** Told when the instance can't go on, so that the next session gets a new one. */
  readonly onFatal: () => void
}

let sessionCount = 0

/** A connection with an in-memory database of its own. Calls run one after the other, in the order they were made. */
export class DuckDBSession implements EngineSession {
  private readonly database: string
  private last: Promise<unknown> = Promise.resolve()
  private nameCount = 0
  private closed = false
  private readonly streams = new Set<OpenStream>()
  private readonly onAbort = (): void => {
    this.options.connection.interrupt()
    for (const { connection } of this.streams) connection.interrupt()
  }

  private constructor(private readonly options: SessionOptions) {
    this.database = `firn_session_${sessionCount++}`
    options.signal?.addEventListener('abort', this.onAbort)
  }

  static async open(options: SessionOptions): Promise<DuckDBSession> {
    const session = new DuckDBSession(options)
    await session.run(`SET TimeZone = 'UTC'`)
    // Files never change, so what their footers say is read once.
    await session.run('SET parquet_metadata_cache = true')
    await session.run(`ATTACH ':memory:' AS ${session.database}`)
    await session.run(`USE ${session.database}`)
    return session
  }

  addRelation(relation: Relation): Promise<void> {
    return this.inTurn(async () => {
      const { name, schema } = parseName(relation.name)
      if (schema !== undefined) await this.run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`)
      switch (relation.kind) {
        case 'scan':
          await this.run(`CREATE VIEW ${name} AS ${await scanSql(this.scanContext(), relation)}`)
          return
        case 'raw':
          await this.addRaw(name, relation)
          return
        case 'rows':
          await this.addRows(name, relation)
          return
        case 'query': {
          const what = relation.lazy === true ? 'VIEW' : 'TABLE'
          await this.run(`CREATE ${what} ${name} AS (\n${withoutSemicolon(relation.sql)}\n)`)
          return
        }
      }
    })
  }

  query(sql: string, options: { readonly limit?: number } = {}): Promise<QueryResult> {
    const limit = options.limit ?? 10_000
    return this.inTurn(async () => {
      const reader = await this.attempt(sql, async (connection) => {
        const prepared = await prepareSelect(connection, sql)
        try {
          return await prepared.streamAndReadUntil(limit + 1)
        } finally {
          prepared.destroySync()
        }
      })
      if (reader.currentRowCount > limit) {
        throw new EngineError(
          'too-many-rows',
          `the query has more than ${limit} rows: add a LIMIT or raise it`,
          {
            context: { sql, limit },
          },
        )
      }
      return resultOf(reader)
    })
  }

  async *stream(sql: string, options: StreamOptions = {}): AsyncGenerator<RecordBatch, void, undefined> {
    const stream = await this.inTurn(() => this.openStream(sql))
    const batches = streamBatches(stream.result, options)
    try {
      for (;;) {
        const next = await this.attempt(sql, () => batches.next())
        if (next.done === true) return
        yield next.value
      }
    } finally {
      // Before the connection: nothing may be under way on it.
      stream.connection.interrupt()
      await batches.return()
      await this.closeStream(stream)
    }
  }

  write(sql: string, target: WriteTarget): Promise<WrittenFiles> {
    return this.inTurn(() =>
      writeFiles(
        {
          ...this.scanContext(),
          newUuid: this.options.newUuid,
          tempDirectory: this.options.tempDirectory,
          outputTo: (root) => outputFiles({ ...this.options, root }),
          ensureFunction: (name, create) => {
            if (this.options.functions.has(name)) return
            this.options.functions.add(name)
            this.options.connection.registerScalarFunction(create())
          },
        },
        withoutSemicolon(sql),
        target,
      ),
    )
  }

  openFiles(locations: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.options.files.open(locations.map((location) => ({ location })))
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.options.signal?.removeEventListener('abort', this.onAbort)
    await this.last.catch(() => undefined)
    for (const stream of this.streams) {
      stream.connection.interrupt()
      await this.closeStream(stream)
    }
    const { connection } = this.options
    try {
      await connection.run('USE memory')
      await connection.run(`DETACH ${this.database}`)
    } catch (cause) {
      // An instance that failed answers nothing any more; its memory goes with it.
      if (!isFatal(engineErrorOf(cause, 'DETACH'))) throw engineErrorOf(cause, 'DETACH')
    } finally {
      connection.disconnectSync()
      this.options.files.release()
    }
  }

  /** A connection of its own, so that the session stays usable while somebody reads. */
  private openStream(sql: string): Promise<OpenStream> {
    return this.attempt(sql, async () => {
      const connection = await this.options.connect()
      try {
        await connection.run(`SET TimeZone = 'UTC'`)
        // With DuckDB's own default of 1 MB its other threads wait for the reader most of the time.
        await connection.run(`SET streaming_buffer_size = '${STREAM_BUFFER}'`)
        await connection.run(`USE ${this.database}`)
        const prepared = await prepareSelect(connection, sql)
        const stream = { connection, prepared, result: await prepared.stream() }
        this.streams.add(stream)
        return stream
      } catch (error) {
        connection.disconnectSync()
        throw error
      }
    })
  }

  private async closeStream(stream: OpenStream): Promise<void> {
    const { connection, prepared } = stream
    if (!this.streams.delete(stream)) return
    prepared.destroySync()
    // Ends the query that was broken off; its buffer would stay until V8 collects the result.
    await connection.run('SELECT 1').catch(() => undefined)
    connection.disconnectSync()
  }

  private scanContext() {
    return {
      select: (sql: string) => this.select(sql),
      run: (sql: string) => this.run(sql),
      newName: () => `"_firn_work_${this.nameCount++}"`,
      fileSchemas: this.options.fileSchemas,
      files: this.options.files,
      append: (table: string, fill: (append: AppendColumns) => Promise<void> | void) => {
        const name = { database: this.database, schema: 'main', table: table.slice(1, -1) }
        return this.attempt(`INSERT INTO ${table}`, (connection) => appendRows(connection, name, fill))
      },
    }
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.last.then(action, action)
    this.last = turn.catch(() => undefined)
    return turn
  }

  private run(sql: string): Promise<void> {
    return this.attempt(sql, async (connection) => {
      await connection.run(sql)
    })
  }

  private select(sql: string) {
    return this.attempt(sql, async (connection) => (await connection.runAndReadAll(sql)).getRows())
  }

  /** Runs something on the connection; whatever goes wrong becomes an EngineError. */
  private async attempt<T>(sql: string, action: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    if (this.closed) throw new EngineError('unsupported', 'the session is closed: open another')
    if (this.options.signal?.aborted === true) throw new EngineError('cancelled', 'the work was cancelled')
    try {
      return await action(this.options.connection)
    } catch (cause) {
      const error = engineErrorOf(cause, sql)
      if (isFatal(error)) this.options.onFatal()
      throw error
    }
  }

  /** One thread reads a row group, and a batch of large documents is less than one: it is cut, so that all threads read. */
  private async addRaw(name: string, relation: Extract<Relation, { readonly kind: 'raw' }>): Promise<void> {
    const { newName } = this.scanContext()
    const whole = newName()
    await this.run(`CREATE TABLE ${whole} AS ${await rawSql(this.options.files, relation)}`)
    const [counted] = await this.select(`SELECT count(*) FROM ${whole}`)
    const rows = Number(counted?.[0])
    const parts = rows > ROW_GROUP_ROWS ? 1 : Math.min(MOST_PARTS, Math.ceil(rows / ROWS_WORTH_A_PART))
    const tables = parts <= 1 ? [whole] : Array.from({ length: parts }, newName)
    for (const [part, table] of tables.entries()) {
      if (table === whole) break
      const [from, end] = [part, part + 1].map((at) => Math.floor((at * rows) / parts))
      await this.run(
        `CREATE TABLE ${table} AS SELECT * FROM ${whole} WHERE rowid >= ${from} AND rowid < ${end}`,
      )
    }
    if (parts > 1) await this.run(`DROP TABLE ${whole}`)
    const reads = tables.map((table) => `SELECT * FROM ${table}`)
    await this.run(`CREATE VIEW ${name} AS ${reads.join(' UNION ALL ')}`)
  }

  private async addRows(name: string, relation: Extract<Relation, { readonly kind: 'rows' }>): Promise<void> {
    const { fields } = relation.schema
    const columns = fields.map((field) => `${quoteName(field.name)} ${sqlType(field.type)}`)
    await this.run(`CREATE TABLE ${name} (${columns.join(', ')})`)
    const [schema, table] = relation.name.includes('.') ? relation.name.split('.') : ['main', relation.name]
    const target = { database: this.database, schema: schema ?? 'main', table: table ?? '' }
    await this.attempt(`INSERT INTO ${name}`, (connection) =>
      appendRows(connection, target, (append) => {
        for (let start = 0; start < relation.rows.length; start += BATCH_ROWS) {
          const rows = relation.rows.slice(start, start + BATCH_ROWS)
          append(fields.map((field) => rows.map((row) => toDuckDBValue(field.type, row[field.name]))))
        }
      }),
    )
  }
}

interface OpenStream {
  readonly connection: DuckDBConnection
  readonly prepared: DuckDBPreparedStatement
  readonly result: DuckDBResult
}

const STREAM_BUFFER = '8MiB'

const ROW_GROUP_ROWS = 122_880
const ROWS_WORTH_A_PART = 32
const MOST_PARTS = 8

/** Rows that are turned into DuckDB's values at a time. */
const BATCH_ROWS = 2048

const READS: ReadonlySet<StatementType> = new Set([StatementType.SELECT, StatementType.EXPLAIN])

/** The caller destroys it. */
async function prepareSelect(connection: DuckDBConnection, sql: string): Promise<DuckDBPreparedStatement> {
  const statements = await connection.extractStatements(sql)
  if (statements.count !== 1) throw notOneSelect(sql)
  const prepared = await statements.prepare(0)
  if (READS.has(prepared.statementType)) return prepared
  prepared.destroySync()
  throw notOneSelect(sql)
}

function notOneSelect(sql: string): EngineError {
  return new EngineError('sql-invalid', 'expected exactly one SELECT: nothing else may run here', {
    context: { sql },
  })
}

function resultOf(reader: DuckDBResultReader): QueryResult {
  const names = reader.deduplicatedColumnNames()
  const types = reader.columnTypes()
  const rows = reader.getRows().map((values) => {
    const row: Record<string, Row[string]> = {}
    for (const [index, name] of names.entries()) row[name] = toRowValue(values[index] ?? null)
    return row
  })
  return {
    columns: names.map((name, index) => ({ name, type: String(types[index]) })),
    rows,
  }
}

/** At most one dot: `namespace.table`. */
function parseName(name: string): { readonly name: string; readonly schema?: string } {
  const parts = name.split('.')
  if (parts.length > 2 || parts.some((part) => part === '')) {
    throw new EngineError('sql-invalid', `'${name}' is not a relation's name: give name or namespace.name`)
  }
  const [schema, table] = parts
  if (table === undefined || schema === undefined) return { name: `main.${quoteName(name)}` }
  return { name: `${quoteName(schema)}.${quoteName(table)}`, schema }
}

function withoutSemicolon(sql: string): string {
  return sql.replace(/[;\s]+$/, '')
}
