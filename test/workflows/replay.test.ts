import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporal } from '@temporalio/proto'
import { Worker } from '@temporalio/worker'
import { beforeAll, describe, expect, it } from 'vitest'
import { TASK_QUEUES, workflowIds } from '../../schemas/workflow-names.js'
import { installRuntime } from '../../workers/runtime.js'
import { workflowBundlePath } from '../../workers/workflow-bundle.js'
import { failWith, startTestServer, withFakeLake } from './support/fake-lake.js'

/**
 * Runs that are under way when a new version starts must replay on it. To record anew after a change that is meant
 * (with every running workflow drained first): FIRN_RECORD_HISTORIES=1 npx vitest run test/workflows/replay.test.ts
 */
const folder = join(import.meta.dirname, '..', 'histories')
const options = { workflowBundle: { codePath: workflowBundlePath() } }

const { History } = temporal.api.history.v1

beforeAll(async () => {
  if (process.env['FIRN_RECORD_HISTORIES'] === '1') await record()
  else installRuntime({ level: 'error', shutdownSignals: [] })
}, 120_000)

describe('recorded histories', () => {
  const files = readdirSync(folder).sort()

  it('hold a run of every workflow', () => {
    expect(files.map((file) => file.replace('.binpb', ''))).toEqual(
      expect.arrayContaining([
        'buildFeatures',
        'landSource',
        'maintainLake',
        'nightly',
        'scoreBatch',
        'trainModel',
        'trainer',
      ]),
    )
  })

  it.each(files)('replay on the workflows of today: %s', async (file) => {
    await Worker.runReplayHistory(options, read(file))
  })

  it('do not replay on workflows that do something else', async () => {
    const history = read('landSource.binpb')
    for (const { activityTaskScheduledEventAttributes: scheduled } of history.events) {
      if (scheduled?.activityType?.name === 'planLanding') scheduled.activityType.name = 'somethingElse'
    }
    await expect(Worker.runReplayHistory(options, history)).rejects.toThrow(/[Nn]ondeterminism/)
  })
})

function read(file: string): temporal.api.history.v1.History {
  return History.decode(readFileSync(join(folder, file)))
}

/** A recording says nothing of the machine that it was made on: no process names, no stacks with paths. */
function anonymous<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const fields = value as Record<string, unknown>
  for (const [name, field] of Object.entries(fields)) {
    if (name === 'stackTrace') fields[name] = ''
    else if (typeof field === 'string' && /^\d+@/.test(field)) fields[name] = 'recorder'
    else anonymous(field)
  }
  return value
}

async function record(): Promise<void> {
  const test = await startTestServer()
  const input = { pipeline: 'quantum', batch: '20260701T020000Z' }
  let refused = false
  try {
    await withFakeLake(
      test.connection,
      {
        // So that the history of buildFeatures holds a rebuild.
        runChecks: () => {
          if (refused) return Promise.resolve({ passed: true, results: [] })
          refused = true
          return failWith('stage-expired')
        },
      },
      async () => {
        const execute = async (workflowType: string, workflowId: string, given: unknown): Promise<void> => {
          await test.client.workflow.execute(workflowType, {
            workflowId,
            taskQueue: TASK_QUEUES.control,
            args: [given],
          })
          await save(workflowType, workflowId)
        }
        const save = async (workflowType: string, workflowId: string): Promise<void> => {
          const history = await test.client.workflow.getHandle(workflowId).fetchHistory()
          writeFileSync(join(folder, `${workflowType}.binpb`), History.encode(anonymous(history)).finish())
        }
        await execute('nightly', 'nightly', { pipeline: 'quantum', date: '2026-07-01' })
        await save('landSource', workflowIds.land('quantum'))
        await save('buildFeatures', workflowIds.build('quantum'))
        await execute('scoreBatch', 'score', { ...input, batch: undefined, model: 'convergence' })
        await execute('trainModel', 'train', { pipeline: 'quantum', model: 'convergence' })
        await execute('maintainLake', 'maintain', {})
        const trainer = await test.client.workflow.start('trainer', {
          workflowId: 'trainer',
          taskQueue: TASK_QUEUES.control,
          args: [{ pipeline: 'quantum', model: 'convergence' }],
        })
        await trainer.signal('train', { seed: 1 })
        while ((await trainer.query<{ trained: number }>('status')).trained === 0) await sleep(100)
        await trainer.cancel()
        await trainer.result().catch(() => undefined)
        await save('trainer', 'trainer')
      },
    )
  } finally {
    await test.close()
  }
}
