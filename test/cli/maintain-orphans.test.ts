import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { MODEL_SCHEMA } from '../support/lake-model.js'
import { lakeConfig } from '../support/lake-process.js'
import { runFirn } from '../support/run-firn.js'

const home = mkdtempSync(join(tmpdir(), 'firn-orphans-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

let folder: string

beforeAll(async () => {
  const lake = await createLakeDeps(lakeConfig(home))
  await lake.deps.catalog.createNamespace('a')
  const table = await lake.deps.catalog.createTable({
    identifier: { namespace: 'a', name: 'b' },
    schema: MODEL_SCHEMA,
  })
  folder = join(toLocalPath(table.metadata.location), 'data')
  lake.close()
  mkdirSync(folder, { recursive: true })
})

function stray(name: string, daysOld: number): string {
  const path = join(folder, name)
  writeFileSync(path, 'nobody names it')
  const at = new Date(Date.now() - daysOld * 86_400_000)
  utimesSync(path, at, at)
  return path
}

const orphans = (...args: readonly string[]) => runFirn(['maintain', 'orphans', 'a.b', ...args], { home })

it('tells of each orphan on a line of its own and changes nothing, until it is told to delete them', async () => {
  const [old, young] = [stray('old.parquet', 9), stray('young.parquet', 0)]
  const dry = await orphans('--json')
  expect(dry).toMatchObject({ code: 0, stderr: '' })
  const lines = dry.stdout.trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      ...{ table: 'a.b', location: expect.stringMatching(/\/data\/old\.parquet$/) as string },
      ...{ sizeBytes: 15, modified: expect.stringMatching(/^\d{4}-.*Z$/) as string, result: 'would-delete' },
    },
  ])
  const text = await orphans()
  expect(text.stdout).toMatch(/^would-delete .*old\.parquet .*\n1 orphans of 15 B; --delete removes them\n$/)
  await orphans('--delete', '--dry-run')
  expect(existsSync(old)).toBe(true)
  const deleted = await orphans('--delete')
  expect(deleted).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^deleted .*old\.parquet/) as string,
  })
  expect([existsSync(old), existsSync(young)]).toEqual([false, true])
  expect((await orphans('--json')).stdout).toBe('')
})

it('refuses to delete what a write under way may need, without being forced', async () => {
  const young = stray('young.parquet', 0)
  const refused = await orphans('--delete', '--older-than', '0')
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('24 hours at least') as string })
  expect(existsSync(young)).toBe(true)
  expect(await orphans('--delete', '--older-than', '0', '--force')).toMatchObject({ code: 0 })
  expect(existsSync(young)).toBe(false)
})

it('says what is wrong with its arguments', async () => {
  expect(await orphans('--equal-scheme', 's3a')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('from=to') as string,
  })
  expect(await orphans('--prefix-mismatch', 'guess')).toMatchObject({ code: 2 })
  const absent = await runFirn(['maintain', 'orphans', 'a.c'], { home })
  expect(absent).toMatchObject({ code: 2, stderr: expect.stringContaining('no table a.c') as string })
})
