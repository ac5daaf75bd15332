import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { readPeers } from '../support/peers.js'

export const peers = readPeers()

/** Why a test is skipped, for its name; nothing where its peer is there. */
export function why(peer: 'python' | 'spark'): string {
  const reason = peers.missing[peer] ?? peers.missing['python']
  return reason === undefined ? '' : ` [${reason}]`
}

export type PeerRow = Readonly<Record<string, unknown>>
export type Reader = 'pyiceberg' | 'spark'

/** A catalog as the peers open it; its name is the `catalog_name` of its tables. */
export type PeerCatalog = ({ readonly db: string; readonly warehouse: string } | { readonly uri: string }) & {
  readonly s3?: { readonly endpoint: string; readonly key: string; readonly secret: string }
}

/** The process of peer.py: PyIceberg and one Spark session, which starts with the first call that needs it. */
export class PeerProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #errors = ''
  #last: Promise<unknown> = Promise.resolve()
  #answer: ((line: string) => void) | undefined
  #fail: ((error: Error) => void) | undefined

  /** The lake's own catalog is `firn`; `others` go by their names. */
  constructor(
    config: { readonly catalogPath: string; readonly warehouse: string },
    others: Readonly<Record<string, PeerCatalog>> = {},
  ) {
    const catalogs = { firn: { db: config.catalogPath, warehouse: config.warehouse }, ...others }
    const args = [join(import.meta.dirname, 'peer.py'), JSON.stringify(catalogs)]
    this.#child = spawn(peers.python!, [...args, JSON.stringify(peers.spark ?? {})], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // Spark gives timestamps in the process's own zone.
      env: { ...process.env, PYSPARK_PYTHON: peers.python!, TZ: 'UTC', PYTHONDONTWRITEBYTECODE: '1' },
    })
    this.#child.stderr!.on('data', (chunk) => (this.#errors = (this.#errors + String(chunk)).slice(-3000)))
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#answer?.(line))
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code) => {
        this.#fail?.(new Error(`peer.py ended with ${code}: ${this.#errors}`))
        resolve()
      })
    })
  }

  /** One call at a time; further ones wait. */
  async call<T>(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const result = this.#last.then(async () => {
      const line = await new Promise<string>((resolve, reject) => {
        ;[this.#answer, this.#fail] = [resolve, reject]
        this.#child.stdin!.write(`${JSON.stringify({ call: name, args })}\n`)
      })
      const answer = JSON.parse(line) as { readonly result: T; readonly error?: string }
      if (answer.error !== undefined) throw new Error(`${name}: ${answer.error}`)
      return answer.result
    })
    this.#last = result.catch(() => undefined)
    return result
  }

  tables(reader: Reader): Promise<readonly string[]> {
    return this.call('tables', { reader })
  }

  rows(
    reader: Reader,
    table: string,
    options: { readonly at?: string; readonly where?: string; readonly catalog?: string } = {},
  ): Promise<readonly PeerRow[]> {
    return this.call('rows', { reader, table, ...options })
  }

  sql(text: string): Promise<readonly PeerRow[]> {
    return this.call('sql', { text })
  }

  async close(): Promise<void> {
    this.#child.stdin!.end()
    await this.#exited
  }
}
