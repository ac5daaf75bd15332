import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { planBuild } from '../../lake/features/plan-build.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { OnChange } from '../../schemas/definition-change.js'
import type { Pipeline, TableDefinition } from '../../schemas/pipeline.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { auditRows, build, labPipeline, land, plan, RUN, stage } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'

const DAY_1 = '20260701T020000Z'
const DAY_2 = '20260702T020000Z'
const DAY_3 = '20260703T020000Z'

let lake: TestLake
beforeEach(async () => {
  lake = testLake([labPipeline])
  await land(lake, DAY_1, [{ id: 'a', grp: 'x', values: [1, 2] }])
  await build(lake.deps, DAY_1)
})
afterEach(() => lake.close())

/** The lake as it is with another definition of its pipeline. */
function withPipeline(pipeline: Pipeline): LakeDeps {
  return { ...lake.deps, pipelines: new Map([['lab', pipeline]]) }
}

function withSql(file: string, text: string): LakeDeps {
  return withPipeline({ ...labPipeline, sqlTexts: { ...labPipeline.sqlTexts, [file]: text } })
}

function withTable(name: string, change: Partial<TableDefinition>): LakeDeps {
  const { tables } = labPipeline
  return withPipeline({ ...labPipeline, tables: { ...tables, [name]: { ...tables[name]!, ...change } } })
}

const OTHER_SUMMARIES = `SELECT run_id, CAST(any_value(size) AS DOUBLE) AS total, any_value(size) AS size
  FROM results GROUP BY run_id`

async function refusal(deps: LakeDeps): Promise<FirnError> {
  return (await planBuild(deps, { pipeline: 'lab', batch: DAY_2 }).catch(
    (error: unknown) => error,
  )) as FirnError
}

async function buildWith(deps: LakeDeps, batch: string, onChange?: OnChange) {
  const found = await planBuild(deps, { pipeline: 'lab', batch, ...(onChange && { onChange }) })
  if (found.kind !== 'build') throw new Error(`expected a build, got ${found.kind}`)
  return await publishBatch(deps, { plan: found, checks: await stage(deps, found), run: RUN })
}

describe('a definition that has changed', () => {
  beforeEach(() => land(lake, DAY_2, [{ id: 'b', grp: 'y', values: [3, 4, 5] }]))

  it('stops the build, which says which tables changed, what reads them and both answers', async () => {
    const error = await refusal(withSql('summaries.sql', OTHER_SUMMARIES))
    expect(error).toBeInstanceOf(FirnError)
    expect(error.kind).toBe('definition-changed')
    expect(error.retryable).toBe(false)
    expect(error.message).toContain(`since batch ${DAY_1}: summaries (SQL); computed from these: groups.`)
    expect(error.message).toContain('--on-change forward')
    expect(error.message).toContain('--on-change rebuild')
    expect(error.context).toMatchObject({ since: DAY_1, readers: ['groups'] })
    expect(await auditRows(lake)).toHaveLength(1)
  })

  it.each<[string, () => LakeDeps, string]>([
    [
      'a column more',
      () => withTable('notes', { schema: { ...labPipeline.tables['notes']!.schema, n: 'int' } }),
      'notes (schema)',
    ],
    ['another key', () => withTable('points', { key: ['step', 'run_id'] }), 'points (key); computed'],
    ['another write mode', () => withTable('notes', { write: 'append' }), 'notes (write)'],
    ['another partition', () => withTable('summaries', { partition: ['size'] }), 'summaries (partition)'],
    [
      'a table more and one less',
      () => {
        const { notes, ...others } = labPipeline.tables
        return withPipeline({ ...labPipeline, tables: { ...others, remarks: notes! } })
      },
      'remarks (new), notes (removed)',
    ],
  ])('is told by its part: %s', async (_, deps, words) => {
    const error = await refusal(deps())
    expect(error.kind).toBe('definition-changed')
    expect(error.message).toContain(words)
  })

  it('is none where comments, white space and the case of keywords differ', async () => {
    const text = labPipeline.sqlTexts['notes.sql']!.replace('SELECT', '-- the first of each\n  select  ')
    expect(await buildWith(withSql('notes.sql', text), DAY_2)).toMatchObject({ status: 'published' })
    // From here on the fingerprint is the text's as it is now: nothing is compared any more.
    await land(lake, DAY_3, [{ id: 'c', grp: 'y', values: [3] }])
    expect(await planBuild(withSql('notes.sql', text), { pipeline: 'lab', batch: DAY_3 })).not.toHaveProperty(
      'change',
    )
  })

  it('shows in a dry run, which stops at nothing', async () => {
    const deps = withSql('summaries.sql', OTHER_SUMMARIES)
    const found = await planBuild(deps, { pipeline: 'lab', batch: DAY_2 }, { dryRun: true })
    expect(found).toMatchObject({
      kind: 'build',
      change: { since: DAY_1, tables: [{ table: 'summaries', what: ['sql'] }], readers: ['groups'] },
    })
  })

  it('answered by forward: new rows only, recorded with the first batch of it, and not asked again', async () => {
    const deps = withSql('summaries.sql', OTHER_SUMMARIES)
    await buildWith(deps, DAY_2, 'forward')
    const totals = await lake.rows('lab_features.summaries', 'total')
    expect(totals.map((row) => row['total'])).toEqual([3, 3])
    const [, second] = await auditRows(lake)
    expect(JSON.parse(second?.['source_data_info'] as string)).toMatchObject({
      definitionChange: { answer: 'forward', since: DAY_1, tables: [{ table: 'summaries', what: ['sql'] }] },
      definitions: { summaries: { sql: expect.stringMatching(/^[0-9a-f]{12}$/) as unknown } },
    })
    await land(lake, DAY_3, [{ id: 'c', grp: 'y', values: [3] }])
    expect(await buildWith(deps, DAY_3)).toMatchObject({ status: 'published' })
    // Back to what it was is a change as well.
    await land(lake, DAY_3, [{ id: 'd', grp: 'y', values: [3] }])
    await expect(plan(lake.deps, '20260704T020000Z')).rejects.toThrow(/summaries \(SQL\)/)
  })

  it('answered by rebuild: every batch from the first outdated one is to be computed again first', async () => {
    const deps = withSql('summaries.sql', OTHER_SUMMARIES)
    const input = { pipeline: 'lab', batch: DAY_2, onChange: 'rebuild' as const }
    expect(await planBuild(deps, input)).toMatchObject({ kind: 'rebuild-first', batches: [DAY_1] })
    expect(await planBuild(lake.deps, input)).toMatchObject({ kind: 'build' })
  })

  it('is compared with the whole pipeline where batches of 0.1 do not say more', async () => {
    const { deps } = lake
    const catalog = deps.catalog
    const audit = await catalog.loadTable({ namespace: 'lab_features', name: 'processing_metadata' })
    expect(audit.metadata.snapshots).toHaveLength(1)
    const changed = withSql('summaries.sql', OTHER_SUMMARIES)
    const engine = {
      openSession: async (options = {}) => {
        const session = await deps.engine.openSession(options)
        const query = session.query.bind(session)
        return Object.assign(session, {
          query: async (sql: string, more?: { readonly limit?: number }) => {
            const result = await query(sql, more)
            return sql.includes('source_data_info')
              ? {
                  ...result,
                  rows: result.rows.map((row) => ({ ...row, source_data_info: '{"source":"runs"}' })),
                }
              : result
          },
        })
      },
    }
    const error = await refusal({ ...changed, engine })
    expect(error.message).toContain("since batch 20260701T020000Z: the pipeline's definition")
  })
})

it('costs nothing where it has not changed, however many batches there are', async () => {
  const costs: number[] = []
  for (let day = 2; day <= 4; day += 1) {
    const batch = `2026070${day}T020000Z`
    await land(lake, batch, [{ id: `run ${day}`, grp: 'x', values: [day] }])
    lake.crash.revive()
    expect(await plan(lake.deps, batch)).toMatchObject({ kind: 'build' })
    costs.push(lake.crash.calls)
    await build(lake.deps, batch)
  }
  expect(new Set(costs).size).toBe(1)
})
