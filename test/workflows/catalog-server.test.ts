import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { lakeContents, withLakeAt } from '../support/lake-process.js'
import { runFirn, type Ended } from '../support/run-firn.js'

const root = mkdtempSync(join(tmpdir(), 'firn-served-'))
const from = join(root, 'documents')
const [servedHome, workerHome, plainHome] = [join(root, 'served'), join(root, 'worker'), join(root, 'plain')]
const nightly = ['run', 'nightly', 'quantum', '--from', from, '--date', '2026-07-01', '--json']
let server: ChildProcess
let env: Readonly<Record<string, string>>
let nights: readonly Ended[]

beforeAll(async () => {
  mkdirSync(from)
  await unpackSample({ folder: from, count: 3 })
  server = spawnServer()
  const uri = await addressOf(server)
  env = { FIRN_CATALOG_URI: uri, FIRN_WAREHOUSE: join(servedHome, 'warehouse') }
  nights = await Promise.all([
    runFirn(nightly, { home: workerHome, env }),
    runFirn(nightly, { home: plainHome }),
  ])
}, 180_000)
afterAll(async () => {
  const exited = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGINT')
  await exited
  rmSync(root, { recursive: true, force: true })
})

/** `firn catalog serve` in a process of its own. */
function spawnServer(): ChildProcess {
  const bin = fileURLToPath(new URL('../../bin/firn.mjs', import.meta.url))
  return spawn(process.execPath, [bin, 'catalog', 'serve', '--port', '0', '--json'], {
    env: { ...process.env, FIRN_HOME: servedHome },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('exit', () => reject(new Error(`the server ended: ${text}`)))
    child.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text += more
      const uri = /"uri": ?"([^"]+)"/.exec(text)?.[1]
      if (uri !== undefined) resolve(uri)
    })
  })
}

describe('a night on a catalog that another process serves', () => {
  it('runs by settings alone and keeps no catalog of its own', () => {
    for (const { code, stderr } of nights) {
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    }
    expect(existsSync(join(workerHome, 'catalog.db'))).toBe(false)
    expect(existsSync(join(workerHome, 'warehouse'))).toBe(false)
    expect(existsSync(join(servedHome, 'catalog.db'))).toBe(true)
  })

  it('leaves the very lake that a night on a local catalog leaves', async () => {
    const [served, local] = await Promise.all([
      withLakeAt(workerHome, lakeContents, env),
      withLakeAt(plainHome, lakeContents),
    ])
    expect(Object.keys(served).length).toBeGreaterThan(5)
    expect(served).toEqual(local)
  })

  it('a second run finds the batch published and changes nothing', async () => {
    const before = await withLakeAt(workerHome, snapshotIds, env)
    const { code } = await runFirn(nightly, { home: workerHome, env })
    expect(code).toBe(0)
    expect(await withLakeAt(workerHome, snapshotIds, env)).toEqual(before)
  })
})

async function snapshotIds({ deps }: Parameters<typeof lakeContents>[0]): Promise<readonly unknown[]> {
  const namespaces = await deps.catalog.listNamespaces()
  const tables = (await Promise.all(namespaces.map((namespace) => deps.catalog.listTables(namespace)))).flat()
  const loaded = await deps.catalog.loadTables(tables)
  return loaded.map((table) => [table.identifier, table.metadata['current-snapshot-id']])
}
