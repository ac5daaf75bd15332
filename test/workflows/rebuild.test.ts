import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporal } from '@temporalio/proto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RebuildBatchResult } from '../../schemas/rebuild-messages.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { failWith, startTestServer, withFakeLake, type TestServer } from './support/fake-lake.js'
import { endless, failureOf, inputsOf, namesOf, patient, startOn } from './support/run-workflows.js'

const DAY_1 = '20260701T020000Z'
const ONE = ['planRebuild', 'rebuildTables', 'checkRebuild', 'publishRebuild']

let test: TestServer
beforeAll(async () => {
  test = await startTestServer()
}, 120_000)
afterAll(() => test.close())

/** As test/workflows/replay.test.ts records: what is missing, where that is asked for. */
async function record(name: string, workflowId: string): Promise<void> {
  const path = join(import.meta.dirname, '..', 'histories', `${name}.binpb`)
  if (process.env['FIRN_RECORD_HISTORIES'] !== '1' || existsSync(path)) return
  const history = await test.client.workflow.getHandle(workflowId).fetchHistory()
  const { History } = temporal.api.history.v1
  // Nothing of the machine that it was made on.
  const plain = JSON.parse(JSON.stringify(history), (key, value: unknown) => {
    if (key === 'stackTrace') return ''
    return typeof value === 'string' && /^\d+@/.test(value) ? 'recorder' : value
  }) as Record<string, unknown>
  writeFileSync(path, History.encode(History.fromObject(plain)).finish())
}

describe('rebuildBatch', { timeout: 120_000 }, () => {
  it('plans, then builds again in line with builds: the batch, or with forward every later one too', async () => {
    await withFakeLake(test.connection, {}, async (calls) => {
      const alone = await startOn(
        test,
        'rebuildBatch',
        { pipeline: 'quantum', batch: DAY_1 },
        'rebuild-alone',
      )
      const result = (await alone.result()) as RebuildBatchResult
      expect(result).toMatchObject({ status: 'rebuilt', count: 1, rebuilt: [{ batch: DAY_1 }] })
      expect(namesOf(calls)).toEqual(['planRebuild', ...ONE])
      expect(calls.map(({ queue }) => queue).slice(1)).toEqual([
        'firn-control',
        'firn-data',
        'firn-data',
        'firn-data',
      ])
      await record('rebuildBatch', 'rebuild-alone')
      const input = { pipeline: 'quantum', batch: DAY_1, forward: true, tables: ['a'] }
      const forward = await startOn(test, 'rebuildBatch', input)
      expect(await forward.result()).toMatchObject({ status: 'rebuilt', count: 3 })
      expect(inputsOf(calls, 'planRebuild').slice(-3)).toEqual([
        { ...input },
        { ...input, batch: '20260702T020000Z' },
        { ...input, batch: '20260703T020000Z' },
      ])
      await record('rebuildInTurn', workflowIds.build('quantum'))
    })
  })

  it('only says what it would do in a dry run; refuses what it does not know', async () => {
    await withFakeLake(test.connection, {}, async (calls) => {
      const dry = await startOn(test, 'rebuildBatch', { pipeline: 'quantum', batch: DAY_1, dryRun: true })
      expect(await dry.result()).toMatchObject({ status: 'planned', count: 0, plan: { rebuilds: DAY_1 } })
      expect(namesOf(calls)).toEqual(['planRebuild'])
      const wrong = await startOn(test, 'rebuildBatch', { pipeline: 'quantum', batch: '../x' })
      expect((await failureOf(wrong)).message).toContain('must be a batch id')
    })
  })

  it('plans anew where the tables moved, and ends at the first batch whose check fails', async () => {
    let moved = false
    let checked = 0
    await withFakeLake(
      test.connection,
      {
        rebuildTables: () => {
          if (moved) return Promise.resolve({ tables: [], duplicates: 0 })
          moved = true
          return failWith('rebuild-needed')
        },
        checkRebuild: () => Promise.resolve({ passed: (checked += 1) < 2, results: [] }),
      },
      async (calls) => {
        const input = { pipeline: 'quantum', batch: DAY_1, forward: true }
        const handle = await startOn(test, 'rebuildBatch', input, 'rebuild-failed')
        const result = (await handle.result()) as RebuildBatchResult
        expect(result).toMatchObject({ status: 'failed', count: 2 })
        expect(result.rebuilt.map(({ publish }) => publish.status)).toEqual(['published', 'failed'])
        expect(namesOf(calls).slice(1)).toEqual(['planRebuild', 'rebuildTables', ...ONE, ...ONE])
        await record('rebuildInTurn-failed', workflowIds.build('quantum'))
      },
    )
  })

  it('a cancel ends the batch that runs, and what is done stays', async () => {
    await withFakeLake(test.connection, { rebuildTables: endless }, async (calls) => {
      const handle = await startOn(
        test,
        'rebuildBatch',
        { pipeline: 'quantum', batch: DAY_1 },
        'rebuild-cancelled',
      )
      await expect.poll(() => namesOf(calls), patient).toContain('rebuildTables')
      await handle.cancel()
      expect((await failureOf(handle)).name).toContain('Cancelled')
      await record('rebuildBatch-cancelled', 'rebuild-cancelled')
    })
  })
})

it('buildFeatures builds published batches again first where the answer is rebuild, then the new one', async () => {
  const batches = [DAY_1, '20260702T020000Z']
  let isDone = false
  const planned = { kind: 'rebuild-first', pipeline: 'quantum', batch: '20260704T020000Z', batches } as const
  const change = { since: DAY_1, tables: [], readers: [] }
  await withFakeLake(
    test.connection,
    {
      planBuild: () => {
        if (isDone)
          return Promise.resolve({
            kind: 'nothing-new',
            pipeline: 'quantum',
            batch: planned.batch,
            inputTo: 3,
          })
        isDone = true
        return Promise.resolve({ ...planned, change })
      },
    },
    async (calls) => {
      const input = { pipeline: 'quantum', onChange: 'rebuild', batch: planned.batch }
      const handle = await startOn(test, 'buildFeatures', input, 'build-rebuild')
      expect(await handle.result()).toMatchObject({ status: 'no_changes' })
      expect(namesOf(calls)).toEqual(['planBuild', ...ONE, ...ONE, 'planBuild'])
      expect(inputsOf(calls, 'planRebuild')).toMatchObject(batches.map((batch) => ({ batch, forward: true })))
      const runs = []
      for await (const run of test.client.workflow.list({ query: "WorkflowId = 'build-rebuild'" }))
        runs.push(run)
      expect(runs).toHaveLength(2)
    },
  )
}, 120_000)
