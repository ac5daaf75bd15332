import { mkdtempSync, readdirSync, rmSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildTables } from '../../lake/features/build-tables.js'
import { planBuild } from '../../lake/features/plan-build.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { runChecks } from '../../lake/quality/run-checks.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { BuildFeaturesResult } from '../../schemas/messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { startDevServer, type DevServer } from '../../workers/temporal-server.js'
import { lakeContents, spawnWorker, withLakeAt } from '../support/lake-process.js'

/**
 * Goal: a large batch over several worker processes gives the rows of one that is not in parts, also where one of them is
 * killed. Method: landings of the sample, documents in several of them, with parts of 1 MB; beside it the same with none.
 */
const BATCH = '20260701T020000Z'
const PARTS = { FIRN_PART_MB: '1' }
const root = mkdtempSync(join(tmpdir(), 'firn-parts-'))

let server: DevServer
let whole: Record<string, string>

beforeAll(async () => {
  server = await startDevServer()
  const home = join(root, 'whole')
  whole = await withLakeAt(home, async (lake) => {
    const { deps } = lake
    await landSample(deps)
    const plan = await planBuild(deps, { pipeline: 'quantum', batch: BATCH })
    if (plan.kind !== 'build') throw new Error(`expected a build, got ${plan.kind}`)
    expect(plan.parts).toBeUndefined()
    await buildTables(deps, plan, plan.groups.flat())
    const run = { workflowId: 'w', runId: 'r', startedAtMs: 0 }
    await publishBatch(deps, { plan, checks: await runChecks(deps, plan), run })
    return await lakeContents(lake)
  })
}, 120_000)

afterAll(async () => {
  await server.stop()
  rmSync(root, { recursive: true, force: true })
})

test('a batch in parts ends as one that is whole, though a worker is killed while it builds them', async () => {
  const home = join(root, 'parts')
  const env = { FIRN_HOME: home, TEMPORAL_ADDRESS: server.address, FIRN_THREADS: '1', ...PARTS }
  await withLakeAt(home, ({ deps }) => landSample(deps))
  const connection = await Connection.connect({ address: server.address })
  const workers = [spawnWorker(env), spawnWorker(env)]
  try {
    const handle = await new Client({ connection }).workflow.start('buildFeatures', {
      taskQueue: TASK_QUEUES.control,
      workflowId: 'parts',
      args: [{ pipeline: 'quantum', batch: BATCH }],
    })
    while (!partsOf(home).some((name) => name.startsWith('molecules.part-'))) await delay(20)
    await workers[0]?.kill()
    const result = (await handle.result()) as BuildFeaturesResult
    expect(result.status).toBe('published')
    const { events } = await handle.fetchHistory()
    const scheduled = (events ?? []).map(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name,
    )
    expect(scheduled.filter((name) => name === 'buildPart').length).toBeGreaterThanOrEqual(6)
    expect(scheduled.filter((name) => name === 'mergeParts')).toHaveLength(2)
  } finally {
    for (const worker of workers) await worker.kill()
    await connection.close()
  }
  expect(await withLakeAt(home, lakeContents)).toEqual(whole)
  expect(partsOf(home)).toEqual([])
}, 180_000)

/** Five landings, each an object; documents 20 to 29 are in two of them. */
async function landSample(deps: LakeDeps): Promise<void> {
  for (const [i, first] of [0, 10, 20, 20, 40].entries()) {
    const from = join(root, 'documents', String(i))
    await unpackSample({ folder: from, from: first, count: 10 })
    const plan = await planLanding(deps, { pipeline: 'quantum', from, batch: `2026070${i + 1}T010000Z` })
    await commitLanding(deps, plan, [await fetchLanding(deps, plan, 0)])
  }
}

function partsOf(home: string): readonly string[] {
  const folder = join(home, 'warehouse', '_staging', 'quantum', BATCH)
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.includes('.part-')) : []
}
