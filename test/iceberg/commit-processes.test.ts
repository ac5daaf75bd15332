import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { liveFiles, MODEL_SCHEMA } from '../support/lake-model.js'

const WRITERS = 4
const COMMITS = 10
const KILLS_MS = [250, 320, 400, 480, 560, 640]

/** Runs a writer to its end; `killAfterMs` ends it before, wherever it is. */
function runWriter(directory: string, writer: number, killAfterMs?: number): Promise<number | null> {
  const script = join(import.meta.dirname, '../support/append-process.mjs')
  const child = spawn(process.execPath, [script, directory, String(writer), String(COMMITS)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  return new Promise((resolve) => {
    child.once('exit', (code) => {
      clearTimeout(timer)
      resolve(code)
    })
  })
}

it('processes that write the same two tables at once, one of them killed again and again, lose and double nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'firn-processes-'))
  const catalog = openSqliteCatalog({
    path: `${directory}/catalog.db`,
    name: 'firn',
    warehouse: `file://${directory}/warehouse`,
    io: new LocalFileIO(),
    now: Date.now,
    newUuid: () => crypto.randomUUID(),
  })
  const tables = ['one', 'two'].map((name) => ({ namespace: 'm', name }))
  await catalog.createNamespace('m')
  for (const identifier of tables) await catalog.createTable({ identifier, schema: MODEL_SCHEMA })

  const killed = async () => {
    for (const afterMs of KILLS_MS) await runWriter(directory, 0, afterMs)
    return runWriter(directory, 0)
  }
  const others = Array.from({ length: WRITERS - 1 }, (_, at) => runWriter(directory, at + 1))
  expect(await Promise.all([killed(), ...others])).toEqual(Array.from({ length: WRITERS }, () => 0))

  for (const { identifier, metadata } of await catalog.loadTables(tables)) {
    const names = (await liveFiles(catalog.io, metadata)).map((file) => file.filePath.split('/').at(-1))
    const expected = Array.from({ length: WRITERS * COMMITS }, (_, n) => {
      const [writer, commit] = [Math.floor(n / COMMITS), n % COMMITS]
      return `${identifier.name}-${writer}-${commit}.parquet`
    })
    expect(names.sort()).toEqual(expected.sort())
    expect(metadata['last-sequence-number']).toBe(WRITERS * COMMITS)
  }
  catalog.close()
  await rm(directory, { recursive: true })
})
