import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common'
import { buildTables } from '../../lake/features/build-tables.js'
import { runChecks } from '../../lake/quality/run-checks.js'
import type { BuildFeaturesResult, PlannedBuild } from '../../schemas/messages.js'
import type { CheckDefinition, Pipeline } from '../../schemas/pipeline.js'
import { toFailure } from '../../activities/map-error.js'
import { FirnError } from '../../schemas/error.js'
import { labPipeline, land, planned } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'

/** Temporal refuses a message of 2 MiB, and warns of one of 256 KiB. */
const REFUSED = 2 * 1024 ** 2
const WARNED = 256 * 1024

function sizeOf(message: unknown): number {
  return defaultPayloadConverter.toPayload(message).data?.length ?? 0
}

/** Every check finds rows whose cells are long texts. */
const CHECKS = Object.fromEntries(
  Array.from({ length: 200 }, (_, i): [string, CheckDefinition] => [
    `rows_are_short_${i}`,
    { severity: 'blocking', sql: `SELECT *, repeat('é', 100000) AS text, range(1000) AS list FROM points` },
  ]),
)
const talkative: Pipeline = { ...labPipeline, checks: CHECKS }

let lake: TestLake
beforeEach(() => (lake = testLake([talkative])))
afterEach(() => lake.close())

describe('messages of a build', () => {
  it('stay small however many checks fail, whatever rows they show', async () => {
    await land(lake, '20260701T020000Z', [{ id: 'a', grp: 'x', values: [1, 2, 3, 4, 5, 6, 7] }])
    const plan = await planned(lake.deps, '20260701T020000Z')
    await buildTables(lake.deps, plan, plan.groups.flat())
    const checks = await runChecks(lake.deps, plan)
    expect(checks.results.filter(({ passed }) => !passed)).toHaveLength(200)
    expect(checks.results.find(({ passed }) => !passed)?.sample).toContain('ééé')
    expect(sizeOf({ plan, checks })).toBeLessThan(WARNED)
  })

  it('of a thousand tables with the longest names, every check of them failed, are let through', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `t${i}_`.padEnd(64, 'x'))
    const plan: PlannedBuild = {
      ...{ kind: 'build', pipeline: 'p'.repeat(64), batch: '20260701T020000Z-12', first: false },
      ...{ inputFrom: 1e12, inputTo: 2e12, fingerprint: 'f'.repeat(64), tag: 'v_incr_20260701T020000Z-12' },
      ...{ groups: [names], parts: 64 },
    }
    const check = { severity: 'blocking', passed: false, failingRows: 1e12, sample: '[]' } as const
    const results = names.flatMap((name) => [
      { ...check, name: `${name}: no null key` },
      { ...check, name: `${name}: no duplicate key` },
    ])
    const tables = names.map((name) => ({
      ...{ table: `${'n'.repeat(64)}.${name}`, rows: 1e12, version: plan.tag, snapshotId: '9'.repeat(19) },
    }))
    const result: BuildFeaturesResult = {
      ...{ status: 'failed', batch: plan.batch, checks: { passed: false, results } },
      publish: { ...plan, status: 'failed', alreadyCommitted: false, duplicates: 1e12, tables },
    }
    expect(sizeOf(plan)).toBeLessThan(WARNED / 2)
    expect(sizeOf(result)).toBeLessThan(REFUSED / 2)
  })

  it('of failures are cut, their context too', () => {
    const text = 'no such column '.repeat(100_000)
    const failure = toFailure(
      new FirnError('config', text, {
        context: { sql: text, tables: Array.from({ length: 5000 }, () => text) },
      }),
    )
    if (!(failure instanceof ApplicationFailure)) throw failure
    const { message, details } = failure
    expect(sizeOf({ message, details })).toBeLessThan(WARNED / 2)
  })
})
