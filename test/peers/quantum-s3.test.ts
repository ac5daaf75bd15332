import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import type { Row } from '../../engine/engine.js'
import { currentSchema } from '../../iceberg/spec/schema.js'
import { listTables } from '../../lake/query/list-tables.js'
import { runSql } from '../../lake/query/sql.js'
import { readConfig } from '../../workers/config.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { VOLATILE } from '../support/lake-process.js'
import { runAllFirn, runFirn, type Ended } from '../support/run-firn.js'
import { noS3, startS3, type S3Server } from './support-s3.js'

const reason = noS3()
const root = mkdtempSync(join(tmpdir(), 'firn-quantum-s3-'))
const [onDisk, onS3] = [join(root, 'disk'), join(root, 's3')]
const FIRST_TAG = 'v_20260701T020000Z'
/** What each run decides anew: times of its files and its own, names of objects, ids of snapshots. */
const DECIDED_ANEW = new Set([
  ...['path', 'incarnation', 'sha256', 'source_mtime_ms', 'min_event_time', 'max_event_time'].map(
    (column) => `raw.experiments.${column}`,
  ),
  ...['quantum_features', 'ml_datasets'].flatMap((namespace) =>
    ['source_data_info', 'snapshot_ids', 'run_id', 'started_at', 'duration_ms'].map(
      (column) => `${namespace}.processing_metadata.${column}`,
    ),
  ),
  'quantum_features.predictions.features_snapshot_id',
  ...VOLATILE.maintenance_runs.map((column) => `audit.maintenance_runs.${column}`),
])
let server: S3Server
let demos: readonly Ended[]
let disk: Lake
let s3: Lake
let close = (): void => undefined

beforeAll(async () => {
  if (reason !== undefined) return
  server = await startS3(['lake'])
  demos = await Promise.all([
    runFirn(['demo', '--json'], { home: onDisk }),
    runFirn(['demo', '--json'], { home: onS3, env: s3Env() }),
  ])
  disk = await createLakeDeps(readConfig({ FIRN_HOME: onDisk }))
  Object.assign(process.env, server.env)
  s3 = await createLakeDeps(readConfig({ FIRN_HOME: onS3, ...s3Env() }))
  close = () => {
    disk.close()
    s3.close()
  }
}, 400_000)
afterAll(async () => {
  close()
  rmSync(root, { recursive: true, force: true })
  if (reason === undefined) await server.stop()
})

function s3Env(): Record<string, string> {
  return { ...server.env, FIRN_WAREHOUSE: 's3://lake/firn' }
}

describe.skipIf(reason !== undefined)(
  `Three nights, training, scoring and maintenance on S3 (${reason ?? 'versitygw'})`,
  () => {
    it('run by settings alone, with nothing of the lake on the local disk but the catalog', () => {
      for (const { code, stderr } of demos)
        expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
      expect(existsSync(join(onS3, 'warehouse'))).toBe(false)
      expect(filesIn(join(onS3, 'tmp'))).toEqual([])
      expect(filesIn(join(onS3, 'cache')).filter((path) => !path.startsWith('files/'))).toEqual([])
      expect(filesIn(join(server.folder, 'lake', 'firn')).length).toBeGreaterThan(100)
    })

    it('give the same rows in every table, now and at the first tag', async () => {
      const tables = (await listTables(disk.deps)).filter((table) => table.snapshotId !== null)
      expect((await listTables(s3.deps)).map(({ name, rows, files }) => [name, rows, files])).toEqual(
        (await listTables(disk.deps)).map(({ name, rows, files }) => [name, rows, files]),
      )
      expect(tables.length).toBeGreaterThan(14)
      const differences: string[] = []
      for (const { name, tags } of tables) {
        const columns = (await columnsOf(name)).filter((column) => !DECIDED_ANEW.has(`${name}.${column}`))
        for (const at of [undefined, ...tags.filter((tag) => tag === FIRST_TAG)]) {
          const [here, there] = [await digests(disk, name, columns, at), await digests(s3, name, columns, at)]
          const unequal = Object.keys(here).filter((column) => here[column] !== there[column])
          differences.push(...unequal.map((column) => `${name}.${column} at ${at ?? 'its head'}`))
        }
      }
      expect(differences).toEqual([])
    })

    it('train the same model and score the same rows', () => {
      const [here, there] = demos.map(({ stdout }) => JSON.parse(stdout) as Summary)
      expect(there!.training.metrics).toEqual(here!.training.metrics)
      expect(there!.training.dataset.rows).toBe(here!.training.dataset.rows)
      expect(there!.score.rows).toBe(here!.score.rows)
      expect(there!.predictions).toEqual(here!.predictions)
    })

    it('leave a lake that the command line reads, checks and cleans like any other', async () => {
      const home = { home: onS3, env: s3Env() }
      const sql = 'SELECT count(*) AS n FROM quantum_features.vqe_results'
      const [at, checked] = await runAllFirn(
        [
          ['sql', sql, '--at', FIRST_TAG, '--json'],
          ['doctor', '--json'],
        ],
        home,
      )
      expect(at).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('"n": 40') })
      expect(JSON.parse(checked!.stdout)).toContainEqual({
        check: 'file store',
        state: 'ok',
        detail: expect.stringContaining('s3://lake/firn') as string,
      })
      const orphan = 's3://lake/firn/quantum_features/molecules/data/orphan.parquet'
      await server.io().write(orphan, new Uint8Array(1))
      const cleaned = await runFirn(['maintain', '--json'], {
        home: onS3,
        env: { ...s3Env(), FIRN_ORPHAN_MIN_AGE_DAYS: '0' },
      })
      expect(cleaned.code).toBe(0)
      await expect(server.io().stat(orphan)).rejects.toMatchObject({ kind: 'not-found' })
      expect(await digests(s3, 'quantum_features.molecules', ['experiment_id'])).toEqual(
        await digests(disk, 'quantum_features.molecules', ['experiment_id']),
      )
    })
  },
)

/** Last: it takes both lakes away. */
describe.skipIf(reason !== undefined)(`A lake that is lost (${reason ?? 'versitygw'})`, () => {
  it('comes back from a bucket, and one in a bucket from a folder, into another home', async () => {
    const sums = async (lake: Lake) => [
      await digests(lake, 'quantum_features.vqe_results', ['experiment_id']),
      await digests(lake, 'quantum_features.vqe_results', ['experiment_id'], FIRST_TAG),
    ]
    const [before, folder, bucket] = [await sums(disk), join(root, 'backup'), 's3://lake/backups/disk']
    const backups = await Promise.all([
      runFirn(['backup', bucket, '--data', '--json'], { home: onDisk, env: server.env }),
      runFirn(['backup', folder, '--data', '--json'], { home: onS3, env: s3Env() }),
    ])
    for (const { code, stderr } of backups) expect(code, stderr).toBe(0)
    close()
    close = () => undefined
    rmSync(onDisk, { recursive: true })
    rmSync(join(server.folder, 'lake', 'firn'), { recursive: true })
    const homes = [join(root, 'disk-again'), join(root, 's3-again')] as const
    const lost = { home: homes[0], env: { ...server.env, FIRN_WAREHOUSE: join(onDisk, 'warehouse') } }
    const restored = await Promise.all([
      runFirn(['restore', bucket, '--json'], lost),
      runFirn(['restore', folder, '--json'], { home: homes[1], env: s3Env() }),
    ])
    for (const [at, { stdout }] of restored.entries()) {
      const { files } = JSON.parse(backups[at]!.stdout) as { files: number }
      expect(JSON.parse(stdout)).toMatchObject({
        present: 0,
        broughtBack: files,
        missing: [],
        restored: true,
      })
    }
    for (const [at, env] of [lost.env, s3Env()].entries()) {
      const lake = await createLakeDeps(readConfig({ FIRN_HOME: homes[at], ...env }))
      expect(await sums(lake)).toEqual(before)
      lake.close()
    }
    const none = await runFirn(['restore', 's3://lake/nothing', '--json'], lost)
    expect(none).toMatchObject({ code: 2, stdout: expect.stringContaining('is no backup') as string })
  }, 300_000)
})

interface Summary {
  readonly training: { readonly metrics: unknown; readonly dataset: { readonly rows: number } }
  readonly score: { readonly rows: number }
  readonly predictions: unknown
}

async function columnsOf(name: string): Promise<readonly string[]> {
  const { metadata } = await disk.deps.catalog.loadTable(parseIdentifier(name))
  return currentSchema(metadata).fields.map((field) => field.name)
}

/** Of each column, and of the rows as a whole, whatever their order. */
async function digests(lake: Lake, name: string, columns: readonly string[], at?: string): Promise<Row> {
  const sums = columns.map((column) => `sum(hash("${column}")) AS "${column}"`)
  const rows = `sum(hash(${columns.map((column) => `"${column}"`).join(', ')})) AS "all columns"`
  const sql = `SELECT count(*) AS n, ${[...sums, rows].join(', ')} FROM ${name}`
  const [row] = (await runSql(lake.deps, at === undefined ? { sql } : { sql, at })).rows
  return row!
}

function filesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}
