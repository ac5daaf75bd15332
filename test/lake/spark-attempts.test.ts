import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { listMaintainable, maintainTable } from '../../lake/maintain/maintain-lake.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { runChecks } from '../../lake/quality/run-checks.js'
import { buildOnSpark } from '../../lake/spark/build-on-spark.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { build, contents, labPipeline, land, planned, RUN, type LabRun } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'
import { sparkTwin } from './support/spark-twin.js'

/** Goal: an attempt that was given up, and whose Spark still runs, changes nothing when it wakes up, and leaves nothing. */
const [DAY_1, DAY_2] = ['20260701T020000Z', '20260702T020000Z'] as const
const DAY_MS = 86_400_000
const NIGHTS: readonly (readonly [string, readonly LabRun[]])[] = [
  [DAY_1, [{ id: 'a', grp: 'x', values: [1, 2], note: 'hot' }]],
  [DAY_2, [{ id: 'b', grp: 'y', values: [3], note: 'cold' }]],
]

let lake: TestLake
/** The same nights on DuckDB. */
let other: TestLake
beforeEach(() => {
  ;[lake, other] = [testLake([labPipeline]), testLake([labPipeline])]
})
afterEach(() => {
  lake.close()
  other.close()
})

it.each([
  ['before the other has published', 'another attempt staged', 'before', undefined],
  ['on the branch that the other has begun', 'written by another attempt', 'before', 'onTop'],
  ['after the other has published', undefined, 'after', undefined],
] as const)('a session that wakes up %s', { timeout: 120_000 }, async (_, fails, wakes, how) => {
  for (const [night, runs] of NIGHTS) {
    await land(other, night, runs)
    await build(other.deps, night)
  }
  const [[first, runs], [second, more]] = [NIGHTS[0]!, NIGHTS[1]!]
  await land(lake, first, runs)
  await build(lake.deps, first)
  await land(lake, second, more)

  // The first session stands still once it has staged what points are computed from.
  const [wake, stands] = [new EventEmitter(), new EventEmitter()]
  const [woken, standing] = [once(wake, 'now'), once(stands, 'now')]
  const spark = sparkTwin(lake.deps, rowsOfSecond, async (session, table) => {
    if (session !== 1 || table !== 'points') return undefined
    stands.emit('now')
    await woken
    return how
  })
  const deps: LakeDeps = { ...lake.deps, spark, settings: { ...lake.deps.settings, engine: 'spark' } }
  const plan = await planned(deps, second)
  const loses = buildOnSpark(deps, plan, plan.groups.flat())
  await standing
  await buildOnSpark(deps, plan, plan.groups.flat())
  const checks = await runChecks(deps, plan)
  const publish = () => publishBatch(deps, { plan, checks, run: RUN })
  if (wakes === 'after') await publish()
  wake.emit('now')
  if (fails === undefined) await loses
  else
    await expect(loses).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining(fails) as string,
    })
  // Whoever asks for the batch, it is published once.
  expect(await publish()).toMatchObject({ status: 'published', alreadyCommitted: wakes === 'after' })
  expect(await contents(lake)).toEqual(await contents(other))

  // Once the lease is over, what the loser wrote goes, and nothing else.
  const now = (): number => Math.max(lake.deps.now(), Date.now()) + 8 * DAY_MS
  for (const table of await listMaintainable(deps, {}))
    await maintainTable({ ...deps, now }, table, { dryRun: false })
  const live = new Set<string>()
  for (const { identifier, metadata } of await tablesOf(deps)) {
    expect(Object.keys(metadata.refs).filter((name) => name.startsWith('stage_'))).toEqual([])
    for (const { file } of (await planScan({ metadata, io: lake.catalog.io })).tasks) live.add(file.filePath)
    expect(identifier.namespace).toBe('lab_features')
  }
  const exists = async (path: string) =>
    await lake.catalog.io.stat(path).then(
      () => true,
      () => false,
    )
  const [lost = [], won = []] = [spark.written.get(1), spark.written.get(2)]
  const unused = [...lost, ...won].filter((path) => !live.has(path))
  expect(unused.length).toBeGreaterThan(0)
  for (const path of unused) expect(await exists(path)).toBe(false)
  expect(await contents(lake)).toEqual(await contents(other))
})

/** What the second night adds to a table: Spark's rows. */
async function rowsOfSecond(table: string): ReturnType<TestLake['rows']> {
  const rows = await other.rows(table)
  const [run] = await other.rows('lab_features.results', `processing_batch_id DESC`)
  const isNew = (row: object): boolean =>
    Object.values(row).some((value) => value === run!['run_id'] || value === 'y')
  return rows.filter(isNew)
}

async function tablesOf({ catalog }: LakeDeps) {
  const names = ['results', 'points', 'summaries', 'groups', 'notes', 'runs_ids']
  return await catalog.loadTables(names.map((name) => parseIdentifier(`lab_features.${name}`)))
}
