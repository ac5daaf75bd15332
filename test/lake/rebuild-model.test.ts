import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { FULL } from '../support/full.js'
import { land, type LabRun } from './support/batches.js'
import { testLake, type TestLake } from './support/lake.js'
import {
  buildOf,
  changedPipeline,
  rebuild,
  rebuildForward,
  rebuildPipeline,
  rowsOf,
  withPipeline,
} from './support/rebuilds.js'

const run: fc.Arbitrary<LabRun> = fc.record(
  {
    id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'),
    grp: fc.constantFrom('x', 'y', 'z'),
    values: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }),
    note: fc.constantFrom('hot', 'hat', 'cold', 'new'),
  },
  { requiredKeys: ['id', 'grp', 'values'] },
)
const batches = fc.array(fc.array(run, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 4 })

const idOf = (index: number): string => `2026070${index + 1}T020000Z`

async function fill(lake: TestLake, given: readonly (readonly LabRun[])[], compacts: boolean): Promise<void> {
  for (const [index, runs] of given.entries()) {
    await land(lake, idOf(index), runs)
    await buildOf(lake.deps, idOf(index))
    if (compacts) await compactAll(lake)
  }
}

async function compactAll({ deps }: TestLake): Promise<void> {
  for (const name of ['results', 'points', 'summaries', 'notes', 'journal']) {
    await compactTable({
      ...deps,
      identifier: parseIdentifier(`lab_features.${name}`),
      minInputFiles: 2,
    })
  }
}

function withoutLast({ groups, ...rows }: Awaited<ReturnType<typeof rowsOf>>): object {
  const values = (groups as readonly Record<string, unknown>[]).map(({ runs, total, grp }) => [
    grp,
    runs,
    total,
  ])
  return { ...rows, values }
}

it('random lakes that are built again by another definition are as if built by it from the start', async () => {
  await fc.assert(
    fc.asyncProperty(batches, fc.boolean(), fc.nat(), async (given, compacts, at) => {
      const lake = testLake([rebuildPipeline])
      const fresh = testLake([changedPipeline])
      try {
        await fill(lake, given, compacts)
        const before = await rowsOf(lake)
        // By the same definition nothing changes, whichever batch it is, but which batch computed a partition last.
        await rebuild(lake.deps, idOf(at % given.length), { tables: ['results', 'notes'] })
        expect(withoutLast(await rowsOf(lake))).toEqual(withoutLast(before))
        if (compacts) await compactAll(lake)
        await rebuildForward(withPipeline(lake, changedPipeline), idOf(0))
        await fill(fresh, given, false)
        expect(await rowsOf(lake)).toEqual(await rowsOf(fresh))
      } finally {
        lake.close()
        fresh.close()
      }
    }),
    { numRuns: FULL ? 3 : 2 },
  )
}, 600_000)
