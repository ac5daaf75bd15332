import { describe, expect, test } from 'vitest'
import { checks } from '../../../pipelines/quantum/checks.js'
import { readSample } from '../../../pipelines/quantum/sample/unpack-sample.js'
import { quantumSession, SMALL_TABLES } from './quantum-session.js'

const sample = readSample().map(({ document }) => document)
const shortest = sample.reduce((a, b) => (a.length <= b.length ? a : b))

describe('the checks of the quantum pipeline', () => {
  test('pass on the sample, but for the warning about runs that did not converge', async () => {
    expect(await failing(sample)).toEqual({ converged: 80 })
  })

  test('block a run whose iterations have a gap', async () => {
    const broken = changed((steps) => (steps[4]!.iteration = 99))
    expect(await failing([broken])).toMatchObject({ iterations_contiguous: 1 })
  })

  test('block a run that has an iteration twice', async () => {
    const broken = changed((steps) => (steps[4]!.iteration = 4))
    expect(await failing([broken])).toMatchObject({ iterations_contiguous: 1 })
  })

  test('block a batch in which a run has no iterations at all', async () => {
    const broken = changed((steps) => steps.splice(0))
    expect(await failing([broken])).toMatchObject({ iterations_at_least_results: 1 })
  })

  test('block an energy that is no finite number', async () => {
    const broken = changed((steps) => (steps[4]!.result = 12345)).replace('12345', '1e999')
    expect(await failing([broken])).toMatchObject({ energies_finite: 1 })
  })

  test('warn where the reported minimum is not the least energy', async () => {
    const odd = shortest.replace(/"minimum": ?-?[\d.]+/, '"minimum": -5')
    const found = await failing([odd])
    expect(found).toMatchObject({ minimum_is_least_energy: 1 })
    expect(checks.minimum_is_least_energy!.severity).toBe('warning')
  })
})

/** Rows that each check finds, where it finds any. */
async function failing(texts: readonly string[]): Promise<Record<string, number>> {
  const session = await quantumSession(texts, { tables: SMALL_TABLES })
  const found: Record<string, number> = {}
  for (const [name, check] of Object.entries(checks)) {
    const { rows } = await session.query(check.sql)
    if (rows.length > 0) found[name] = rows.length
  }
  await session.close()
  return found
}

function changed(change: (steps: Record<string, unknown>[]) => void): string {
  const document = JSON.parse(shortest) as { vqe_result: { iteration_list: Record<string, unknown>[] } }
  change(document.vqe_result.iteration_list)
  return JSON.stringify(document)
}
