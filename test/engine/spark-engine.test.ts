import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { isRunning } from '../../engine/running-process.js'
import { createSparkEngine, type SparkEngineOptions } from '../../engine/spark/spark-engine.js'
import type { SparkCheck } from '../../engine/spark/spark-job.js'
import { sparkStruct } from '../../engine/spark/spark-type.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import { readConfig } from '../../workers/config.js'
import { openSpark } from '../../workers/open-spark.js'

/** What Firn itself does around `spark-submit`: programs of this test stand where Spark would. Spark is in test/peers. */
const root = mkdtempSync(join(tmpdir(), 'firn-submit-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const JOB: SparkCheck = { kind: 'check', application: 'test', relations: {}, tables: [], types: {} }
const BUILD = { kind: 'build' } as unknown as SparkCheck

function engine(script: string, options: Partial<SparkEngineOptions> = {}) {
  const path = join(root, `${crypto.randomUUID()}.mjs`)
  writeFileSync(path, script)
  return createSparkEngine({
    command: [process.execPath, path],
    ...{ master: 'local[1]', conf: {}, packages: [], jars: [], tempDirectory: join(root, 'tmp') },
    withCatalog: (use) => use({ name: 'firn', properties: { type: 'rest' }, token: 'the-token' }),
    newUuid: () => crypto.randomUUID(),
    ...options,
  })
}

it('a token goes by the environment, the job by a file of its owner that is gone afterwards', async () => {
  const said: string[] = []
  const script = `import { readFileSync, statSync } from 'node:fs'
    const job = process.argv.at(-1)
    const seen = { argv: process.argv.join(' '), mode: (statSync(job).mode & 0o777).toString(8), text: readFileSync(job, 'utf8'), token: process.env.FIRN_SPARK_CATALOG_TOKEN }
    console.log('@firn ' + JSON.stringify({ progress: JSON.stringify(seen) }))`
  await engine(script, { conf: { 'spark.a': '1' } }).run(BUILD, {
    onProgress: (message) => said.push(message),
  })
  const seen = JSON.parse(said[0]!) as Record<string, string>
  expect(seen).toMatchObject({ token: 'the-token', mode: '600' })
  expect(seen['argv']).toContain('--master local[1] --conf spark.a=1')
  expect(seen['argv']! + seen['text']!).not.toContain('the-token')
  expect(readdirSync(join(root, 'tmp'))).toEqual([])
})

it('errors are what was said of a table; of a program that just ends, the line that says why', async () => {
  const told = `console.log('@firn ' + JSON.stringify({ error: { table: 'runs', kind: 'sql-invalid', message: '[X] no' } })); process.exit(1)`
  await expect(engine(told).run(JOB)).rejects.toMatchObject({
    kind: 'sql-invalid',
    message: expect.stringMatching(/^table runs on Spark: \[X\] no; .*spark\.sql/) as string,
  })
  const ends = `console.error('Warning\\nError: master must be local\\n\\tat a.b.C'); process.exit(7)`
  await expect(engine(ends).run(JOB)).rejects.toMatchObject({
    kind: 'io',
    message: 'spark-submit ended with 7: Error: master must be local',
  })
  await expect(engine('', { command: ['/nowhere/spark-submit'] }).run(JOB)).rejects.toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('FIRN_SPARK_SUBMIT') as string,
  })
})

it('what cannot be taken ends the session with why; a cancel ends it with its children', async () => {
  const waits = `import { spawn } from 'node:child_process'
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    console.log('@firn ' + JSON.stringify({ progress: String(child.pid) }))
    console.log('@firn ' + JSON.stringify({ staged: { table: 'a', snapshot: '1', rows: 1 } }))
    setInterval(() => {}, 1000)`
  const pids: number[] = []
  const onProgress = (pid: string): number => pids.push(Number(pid))
  const onStaged = (): Promise<void> => Promise.reject(new Error('taken by another'))
  await expect(engine(waits).run(JOB, { onProgress, onStaged })).rejects.toThrow('taken by another')
  const stop = new AbortController()
  const stopped = engine(waits).run(JOB, {
    ...{ onProgress, signal: stop.signal },
    onStaged: () => {
      stop.abort()
      return Promise.resolve()
    },
  })
  await expect(stopped).rejects.toMatchObject({ kind: 'cancelled' })
  expect(pids).toHaveLength(2)
  await expect.poll(() => pids.filter(isRunning), { timeout: 10_000 }).toEqual([])
})

it.each([
  [{}, 'FIRN_WAREHOUSE'],
  [{ FIRN_WAREHOUSE: 's3://lake/firn' }, 'firn catalog serve'],
])('a cluster is not sent where it can get to nothing: %o', async (env, hint) => {
  const config = readConfig({ FIRN_HOME: root, FIRN_SPARK_MASTER: 'k8s://https://cluster', ...env })
  await expect(openSpark(config).run(BUILD)).rejects.toMatchObject({
    kind: 'config',
    message: expect.stringContaining(hint) as string,
  })
})

it('a document is parsed with whole numbers as decimals, whatever it is nested in', () => {
  const schema = parseDocumentSchema({ a: 'int', 'b?': 'list<struct<c: long, d: timestamptz>>' })
  expect(sparkStruct(schema)).toBe('struct<`a`: int, `b`: array<struct<`c`: bigint, `d`: timestamp>>>')
  expect(sparkStruct(schema, true)).toBe(
    'struct<`a`: decimal(10, 0), `b`: array<struct<`c`: decimal(19, 0), `d`: timestamp>>>',
  )
})
