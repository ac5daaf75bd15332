import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { planRollback } from '../../lake/rollback/plan-rollback.js'
import { runRollback } from '../../lake/rollback/run-rollback.js'
import { build, labPipeline, land } from './support/batches.js'
import { rebuild } from './support/rebuilds.js'
import { testLake, type TestLake } from './support/lake.js'
import { FULL } from '../support/full.js'

type Step =
  | { readonly kind: 'land'; readonly ids: readonly number[] }
  | { readonly kind: 'build' | 'compact' | 'expire' }
  | { readonly kind: 'rollback' | 'rebuild'; readonly back: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('land'),
      ids: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: 'build' }) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'compact' }, { kind: 'expire' }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rollback'), back: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rebuild'), back: fc.nat(2) }) },
)

/** What a loop over the landed documents says that the tables hold. */
class Model {
  readonly landed: number[] = []
  /** Standing batches, each with the ledger row that it ends at. */
  batches: { readonly batch: string; readonly end: number }[] = []
  /** Whether one of them was computed again after the last was published. */
  isRebuilt = false

  expected() {
    const ids = [...new Set(this.landed.slice(0, this.batches.at(-1)?.end ?? 0))].sort((a, b) => a - b)
    const groups = [...new Set(ids.map((id) => id % 3))].sort().map((grp) => {
      const own = ids.filter((id) => id % 3 === grp)
      return [`g${grp}`, own.length, own.reduce((sum, id) => sum + id, 0)]
    })
    return { ids, groups }
  }
}

async function actual(lake: TestLake) {
  const points = await lake.rows('lab_features.points', 'value')
  const results = await lake.rows('lab_features.results')
  const built = await lake.rows('lab_features.runs_ids')
  const groups = await lake.rows('lab_features.groups', 'grp')
  return {
    ids: points.map((row) => Number(row['value'])),
    results: results.length,
    built: built.length,
    groups: groups.map((row) => [row['grp'], Number(row['runs']), Number(row['total'])]),
  }
}

async function maintain(lake: TestLake, kind: 'compact' | 'expire'): Promise<void> {
  const { catalog, rewriter, now, newUuid, newSnapshotId } = lake.deps
  for (const identifier of await catalog.listTables('lab_features')) {
    if (kind === 'compact') {
      const common = { catalog, identifier, rewriter, now, newUuid, newSnapshotId }
      await compactTable({ ...common, isClosed: () => true, rewriteAll: true })
    } else {
      await expireSnapshots({
        catalog,
        identifier,
        nowMs: now() + 1000,
        maxSnapshotAgeMs: 0,
        minSnapshotsToKeep: 1,
      })
    }
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const lake = testLake([labPipeline])
  const model = new Model()
  try {
    for (const [at, one] of steps.entries()) {
      const batch = `202607${String(at + 1).padStart(2, '0')}T020000Z`
      if (one.kind === 'land') {
        await land(
          lake,
          batch,
          one.ids.map((id) => ({ id: `run ${id}`, grp: `g${id % 3}`, values: [id] })),
        )
        model.landed.push(...one.ids)
      } else if (one.kind === 'build') {
        const result = await build(lake.deps, batch)
        if (result === undefined || result.alreadyCommitted) continue
        model.batches.push({ batch: result.batch, end: result.inputTo })
        model.isRebuilt = false
      } else if (one.kind === 'rebuild') {
        const again = model.batches.at(-1 - one.back)
        if (again === undefined) continue
        await rebuild(lake.deps, again.batch, { tables: ['results', 'points', 'summaries', 'groups'] })
        model.isRebuilt = true
      } else if (one.kind === 'rollback') {
        const target = model.batches.at(-1 - one.back)
        if (target === undefined) continue
        const plan = await planRollback(lake.deps, { pipeline: 'lab', to: target.batch })
        expect(await runRollback(lake.deps, plan)).toBe(one.back > 0 || model.isRebuilt)
        model.isRebuilt = false
        model.batches = model.batches.slice(0, model.batches.length - one.back)
      } else if (model.batches.length > 0) await maintain(lake, one.kind)
      if (model.batches.length === 0) continue
      const { ids, groups } = model.expected()
      expect(await actual(lake)).toEqual({ ids, groups, results: ids.length, built: ids.length })
    }
  } finally {
    lake.close()
  }
}

describe(
  'any sequence of landings, builds, rebuilds, rollbacks and maintenance',
  { timeout: 600_000 },
  () => {
    it('shows what a loop over the landed documents says: no row lost, none twice', async () => {
      await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 14 }), run), {
        numRuns: FULL ? 5 : 3,
        endOnFailure: true,
      })
    })
  },
)
