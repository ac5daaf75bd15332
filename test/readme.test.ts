import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { compiledEntry } from '../engine/compiled-entry.js'
import { createDuckDBEngine } from '../engine/duckdb/duckdb-engine.js'
import { checkPipeline } from '../lake/define/check-pipeline.js'
import { openCatalog } from '../iceberg/catalog/open-catalog.js'
import { loadPipeline } from '../lake/define/load-pipeline.js'
import { startCatalogServer } from './support/catalog-server.js'

const folder = mkdtempSync(join(tmpdir(), 'firn-readme-'))
afterAll(() => rmSync(folder, { recursive: true }))
const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8')

test('the pipeline of the README, written down as it stands, has no problems', async () => {
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const sql = /\/\/ (SELECT .*)/.exec(example)?.[1] ?? ''
  mkdirSync(join(folder, 'sql'))
  writeFileSync(
    join(folder, 'pipeline.mjs'),
    example.replace("'firnlake'", `'${compiledEntry('index').href}'`),
  )
  writeFileSync(join(folder, 'sql', 'order_totals.sql'), sql)
  const pipeline = await loadPipeline(folder)
  expect(await checkPipeline(pipeline, createDuckDBEngine({ tempDirectory: folder }))).toEqual([])
})

test('the example of the library alone runs against a served catalog', async () => {
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const server = await startCatalogServer(join(folder, 'lake'))
  try {
    const catalog = await openCatalog({ kind: 'rest', name: 'lake', uri: server.uri })
    const field = (id: number, name: string, type: 'long' | 'string' | 'double') => {
      return { id, name, type, required: id === 1 }
    }
    const fields = [field(1, 'id', 'long'), field(2, 'basis', 'string'), field(3, 'energy', 'double')]
    await catalog.createNamespace('lab')
    await catalog.createTable({
      identifier: { namespace: 'lab', name: 'runs' },
      schema: { type: 'struct', 'schema-id': 0, 'identifier-field-ids': [1], fields },
    })
    const code = ['iceberg', 'engine'].reduce(
      (text, part) => text.replace(`'firnlake/${part}'`, `'${compiledEntry(`${part}/index`).href}'`),
      example.replace('http://127.0.0.1:8181', server.uri),
    )
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { cwd: folder })
    expect((await run).stdout).toContain("[ { id: 1n, basis: 'sto3g', energy: -1.1 } ]")
  } finally {
    await server.stop()
  }
})
