import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listAlerts } from '../../lake/alerts/list-alerts.js'
import { listChecks } from '../../lake/quality/list-checks.js'
import { runSql } from '../../lake/query/sql.js'
import type { MaintenanceReport, NightlyInput, NightlyResult } from '../../schemas/messages.js'
import { TASK_QUEUES } from '../../schemas/workflow-names.js'
import { createLakeDeps, type Lake } from '../../workers/create-deps.js'
import { startWorkers } from '../../workers/start-worker.js'
import { lakeConfig } from '../support/lake-process.js'
import { startTestServer, type TestServer } from './support/fake-lake.js'

/** Write, audit, publish: a night with bad data on a real lake, what one sees of it, and the way out. */
const root = mkdtempSync(join(tmpdir(), 'firn-failed-'))
const [folder, inbox] = [join(root, 'shop'), join(root, 'inbox')]
const config = lakeConfig(join(root, 'lake'), { FIRN_PIPELINES: folder, FIRN_THREADS: '2' })
let test: TestServer
beforeAll(async () => {
  for (const path of [folder, inbox]) mkdirSync(path)
  declare('true')
  test = await startTestServer()
})
afterAll(async () => {
  await test.close()
  rmSync(root, { recursive: true, force: true })
})

/** A pipeline as users write it; `wanted` is the rule by which its SQL takes orders. */
function declare(wanted: string): void {
  const definition = {
    name: 'shop',
    sources: {
      orders: {
        kind: 'json',
        topic: 'orders',
        schema: { id: 'string', total: 'double' },
        identity: ['id'],
        lateAfter: '26h',
      },
    },
    tables: {
      order_totals: {
        sql: 'totals.sql',
        schema: { order_id: 'string!', total: 'double' },
        key: ['order_id'],
        partition: [],
        write: 'insert-new',
      },
    },
    checks: {
      total_is_positive: { severity: 'blocking', sql: 'SELECT * FROM order_totals WHERE total <= 0' },
      total_is_small: { severity: 'warning', sql: 'SELECT * FROM order_totals WHERE total > 100' },
    },
  }
  writeFileSync(join(folder, 'pipeline.mjs'), `export default ${JSON.stringify(definition)}`)
  writeFileSync(
    join(folder, 'totals.sql'),
    `SELECT id AS order_id, total FROM orders WHERE ${wanted} ORDER BY 1`,
  )
}

function order(id: string, total: number): void {
  writeFileSync(join(inbox, `${id}.json`), JSON.stringify({ id, total }))
}

interface Night {
  readonly lake: Lake
  readonly night: (input: Omit<NightlyInput, 'pipeline'>) => Promise<NightlyResult>
  readonly totals: (at?: string) => Promise<readonly unknown[]>
  readonly execute: <T>(workflow: string, input: object) => Promise<T>
}

let runs = 0
/** Workers with the pipeline as it is declared now. */
async function withWorkers(use: (night: Night) => Promise<void>, laterMs = 0): Promise<void> {
  const lake = await createLakeDeps(config, { now: () => Date.now() + laterMs })
  const workers = await startWorkers(config, test.connection, { lake, graceMs: 1000 })
  const execute = async <T>(workflow: string, input: object): Promise<T> => {
    const options = { workflowId: `run-${(runs += 1)}`, taskQueue: TASK_QUEUES.control, args: [input] }
    return (await test.client.workflow.execute(workflow, options)) as T
  }
  try {
    await use({
      ...{ lake, execute },
      night: (input) => execute('nightly', { pipeline: 'shop', from: inbox, maintain: false, ...input }),
      totals: async (at) => {
        const sql = 'SELECT order_id, total FROM shop_features.order_totals ORDER BY 1'
        return (await runSql(lake.deps, { sql, ...(at === undefined ? {} : { at }) })).rows
      },
    })
  } finally {
    await workers.stop()
    lake.close()
  }
}

const [MONDAY, TUESDAY] = ['20260706T020000Z', '20260707T020000Z']
const good = { order_id: 'good', total: 1 }
const bad = { order_id: 'bad', total: -1 }

describe('a night with bad data', { timeout: 180_000 }, () => {
  it('publishes nothing, and everything about it can be seen', async () => {
    await withWorkers(async ({ lake, night, totals }) => {
      order('good', 1)
      expect((await night({ date: '2026-07-06' })).build.status).toBe('published')
      order('bad', -1)
      order('big', 1000)
      const failed = await night({ date: '2026-07-07' })
      expect(failed).toMatchObject({ batch: TUESDAY, scores: [], build: { status: 'failed' } })
      expect(await totals()).toEqual([good])
      expect(await totals(`failed_${TUESDAY}`)).toEqual(
        expect.arrayContaining([bad, { order_id: 'big', total: 1000 }]),
      )
      const [newest, before] = await listChecks(lake.deps, { pipeline: 'shop', limit: 10 })
      expect(before).toMatchObject({ batch: MONDAY, passed: true })
      expect(newest).toMatchObject({ batch: TUESDAY, passed: false })
      expect(newest?.checks.slice(0, 2)).toMatchObject([
        { name: 'total_is_positive', severity: 'blocking', passed: false, failingRows: 1 },
        { name: 'total_is_small', severity: 'warning', passed: false, failingRows: 1 },
      ])
      expect(JSON.parse(newest?.checks[0]?.sample ?? '')).toEqual([bad])
      expect(await listChecks(lake.deps, { pipeline: 'shop', batch: MONDAY, limit: 10 })).toHaveLength(1)
      expect(await listChecks(lake.deps, { pipeline: 'other', limit: 10 })).toEqual([])

      // Run again as it is: another failed batch, of the same range.
      const again = await night({ date: '2026-07-07' })
      expect(again.build).toMatchObject({ status: 'failed', batch: `${TUESDAY}-2` })
      expect(await totals()).toEqual([good])
      const alerts = await listAlerts(lake.deps, { pipeline: 'shop', limit: 10 })
      expect(alerts.map(({ key, webhook }) => [key, webhook])).toEqual([
        [`batch-failed/shop/${TUESDAY}-2`, 'none'],
        [`batch-failed/shop/${TUESDAY}`, 'none'],
      ])
      expect(alerts[0]?.message).toContain('total_is_positive (1 rows)')
    })
  })

  it('is published once it is mended, under an id of its own; maintenance ends the branch', async () => {
    declare('total > 0')
    await withWorkers(async ({ night, totals }) => {
      const mended = await night({ date: '2026-07-07', onChange: 'forward' })
      expect(mended.build).toMatchObject({ status: 'published', publish: { tag: `v_incr_${TUESDAY}-3` } })
      expect(await totals()).toEqual([{ order_id: 'big', total: 1000 }, good])
      expect(await totals(`failed_${TUESDAY}`)).toContainEqual(bad)
    })
    await withWorkers(async ({ execute, totals }) => {
      const table = 'shop_features.order_totals'
      const { tables } = await execute<MaintenanceReport>('maintainLake', { tables: [table] })
      expect(tables.find((report) => report.table === table)?.droppedTags).toContain(`failed_${TUESDAY}`)
      await expect(totals(`failed_${TUESDAY}`)).rejects.toThrow(/failed_/)
      expect(await totals()).toHaveLength(2)
    }, 8 * 86_400_000)
  })
})
