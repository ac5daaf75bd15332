import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Catalog } from '../../../iceberg/catalog/catalog.js'
import { openSqliteCatalog } from '../../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../../iceberg/io/local.js'
import { parseJson, stringifyJson } from '../../../iceberg/spec/json.js'
import type { TableMetadata } from '../../../iceberg/spec/table-metadata.js'
import type { Schema } from '../../../iceberg/spec/type.js'
import type { ViewMetadata } from '../../../iceberg/view/view-metadata.js'
import { parseTokens } from '../../../server/catalog/access.js'
import type { ServerFailure } from '../../../server/catalog/create-server.js'
import { FencedFileIO } from '../../../server/catalog/fenced-file-io.js'
import { listen } from '../../../server/catalog/listen.js'
import { SqliteAnswerLog } from '../../../server/catalog/sqlite-answer-log.js'

export const SCHEMA: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: [
    { id: 1, name: 'id', required: true, type: 'long' },
    { id: 2, name: 'data', required: false, type: 'string' },
  ],
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}

/** An answer's JSON: tests look only for what their answer has. */
export interface Body {
  readonly [key: string]: unknown
  readonly identifiers: readonly { readonly name: string }[]
  readonly tables: readonly { readonly identifier: unknown }[]
  readonly metadata: TableMetadata & ViewMetadata
  readonly 'next-page-token': string | null
}

export interface Ask {
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Served {
  readonly uri: string
  readonly home: string
  readonly warehouse: string
  readonly catalog: Catalog
  readonly failures: readonly ServerFailure[]
  readonly ask: (method: string, path: string, body?: unknown, ask?: Ask) => Promise<Reply>
  /** A new server over the same database, as after a crash or a restart. */
  readonly restart: () => Promise<Served>
}

export interface ServeOptions {
  readonly home?: string
  readonly tokens?: unknown
  readonly now?: () => number
  readonly maxBodyBytes?: number
  /** Stands between the server and its catalog. */
  readonly wrap?: (catalog: Catalog) => Catalog
}

/** A server on a free port over a SQLite catalog of its own; gone when the test ends. */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  const home = options.home ?? mkdtempSync(join(tmpdir(), 'firn-server-'))
  const warehouse = `file://${home}/warehouse`
  const path = join(home, 'catalog.db')
  const clock = { now: options.now ?? Date.now, newUuid: () => crypto.randomUUID() }
  const fence = { roots: [warehouse] }
  const io = new FencedFileIO(new LocalFileIO(), fence)
  const catalog = openSqliteCatalog({ path, name: 'firn', warehouse, io, ...clock })
  const answers = new SqliteAnswerLog({ path, ...clock })
  const failures: ServerFailure[] = []
  const { tokens, maxBodyBytes } = options
  const server = await listen({
    ...clock,
    catalog: options.wrap?.(catalog) ?? catalog,
    warehouse,
    fence,
    answers,
    port: 0,
    ...(tokens === undefined ? {} : { tokens: parseTokens(JSON.stringify(tokens), 'tokens.json') }),
    ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }),
    onFailure: (failure) => failures.push(failure),
  })
  let isOpen = true
  const close = async () => {
    if (!isOpen) return
    isOpen = false
    await server.close()
    answers.close()
    catalog.close()
  }
  onTestFinished(async () => {
    await close()
    if (options.home === undefined) rmSync(home, { recursive: true, force: true })
  })
  return {
    ...{ uri: server.uri, home, warehouse, catalog, failures },
    ask: (method, route, body, ask) => send(server.uri, method, route, body, ask),
    async restart() {
      await close()
      return serve({ ...options, home })
    },
  }
}

async function send(
  uri: string,
  method: string,
  path: string,
  body?: unknown,
  ask: Ask = {},
): Promise<Reply> {
  const response = await fetch(`${uri}/v1/${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(ask.token === undefined ? {} : { authorization: `Bearer ${ask.token}` }),
      ...ask.headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : stringifyJson(body) }),
  })
  const text = await response.text()
  const parsed = (text === '' ? {} : parseJson(text)) as Body
  return { status: response.status, headers: response.headers, text, body: parsed }
}

/** A server with namespace `ns` and these tables in it. */
export async function serveWith(tables: readonly string[], options: ServeOptions = {}): Promise<Served> {
  const served = await serve(options)
  await served.catalog.createNamespace('ns')
  for (const name of tables)
    await served.catalog.createTable({ identifier: { namespace: 'ns', name }, schema: SCHEMA })
  return served
}

export function problem(code: number, type: string, message: string | RegExp) {
  return { status: code, body: { error: { code, type, message: expectText(message) } } }
}

function expectText(message: string | RegExp): unknown {
  return typeof message === 'string' ? message : { asymmetricMatch: (text: string) => message.test(text) }
}
