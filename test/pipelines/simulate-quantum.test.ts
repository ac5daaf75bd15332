import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { checkDocument } from '../../lake/land/check-document.js'
import quantum from '../../pipelines/quantum/pipeline.js'
import {
  runFileName,
  SIMULATED_BACKEND,
  simulateRuns,
  type SimulatedRun,
} from '../../pipelines/quantum/simulate.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import { experimentId } from '../support/quantum-oracle.js'
import { runFirn } from '../support/run-firn.js'

const root = mkdtempSync(join(tmpdir(), 'firn-simulate-quantum-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function runs(count: number, options: { seed?: number; iterations?: number } = {}): SimulatedRun[] {
  const taken: SimulatedRun[] = []
  for (const run of simulateRuns({ seed: 1, iterations: 100, ...options })) {
    taken.push(run)
    if (taken.length === count) break
  }
  return taken
}

const many = runs(300)

describe('simulated VQE runs', () => {
  test('keep the contract of their source, and are experiments of their own', () => {
    const { fields } = parseDocumentSchema(quantum.sources['experiments']!.schema)
    for (const run of many) checkDocument(fields, JSON.parse(JSON.stringify(run)))
    const ids = [...many, ...runs(300, { seed: 2 })].map((run) => experimentId(JSON.stringify(run)))
    expect(new Set(ids).size).toBe(600)
    for (const run of many) expect(run.vqe_result.initial_data.backend).toBe(SIMULATED_BACKEND)
  })

  test('say of their iterations what these are', () => {
    for (const { vqe_result: result } of many) {
      const { iteration_list: steps, initial_data: initial } = result
      const energies = steps.map((step) => step.result)
      const norms = steps.map((step, i) => {
        const before = steps[i - 1]?.parameters ?? step.parameters
        return Math.hypot(...step.parameters.map((value, p) => value - before[p]!))
      })
      expect(steps.map(({ iteration }) => iteration)).toEqual(steps.map((_, i) => i + 1))
      expect(steps[0]!.parameters).toEqual(initial.initial_parameters)
      expect(result.minimum).toBe(Math.min(...energies))
      expect(result.optimal_parameters).toEqual(steps[energies.indexOf(result.minimum)]!.parameters)
      expect(result.nfev).toBe(steps.length)
      for (const [i, step] of steps.entries()) {
        expect(step.parameters).toHaveLength(initial.num_parameters)
        expect(step.cumulative_min_energy).toBe(Math.min(...energies.slice(0, i + 1)))
        expect(step.energy_delta).toBe(i === 0 ? null : step.result - energies[i - 1]!)
        if (i === 0) expect(step.parameter_delta_norm).toBeNull()
        else expect(step.parameter_delta_norm).toBeCloseTo(norms[i]!, 12)
      }
    }
  })

  test('vary as real ones do: molecules, optimizers, noise, ends, sizes', () => {
    const seen = (value: (run: SimulatedRun) => unknown): number => new Set(many.map(value)).size
    expect(seen((run) => run.molecule.molecule_data.symbols.join(''))).toBe(4)
    expect(seen((run) => run.vqe_result.initial_data.optimizer)).toBe(5)
    expect(seen((run) => run.vqe_result.initial_data.default_shots)).toBe(3)
    expect(seen((run) => run.vqe_result.initial_data.ansatz_reps)).toBe(3)
    const converged = many.filter((run) => run.vqe_result.success).length / many.length
    expect(converged).toBeGreaterThan(0.3)
    expect(converged).toBeLessThan(0.8)
    const old = many.filter((run) => run.vqe_result.initial_data.seed === undefined).length / many.length
    expect(old).toBeGreaterThan(0.01)
    expect(old).toBeLessThan(0.12)
    const bytes = many.map((run) => JSON.stringify(run).length).sort((a, b) => a - b)
    expect(bytes[150]).toBeGreaterThan(20_000)
    expect(bytes[299]).toBeLessThan(250_000)
    const small = runs(50, { iterations: 2 }).map((run) => JSON.stringify(run).length)
    expect(Math.max(...small)).toBeLessThan(25_000)
  })

  test('give a molecule one id, and an id one molecule', () => {
    const molecule = ({ molecule: { molecule_data }, basis_set }: SimulatedRun): string =>
      JSON.stringify([molecule_data, basis_set])
    const pairs = new Set(many.map((run) => `${run.molecule_id} ${molecule(run)}`))
    expect(pairs.size).toBe(new Set(many.map((run) => run.molecule_id)).size)
    expect(pairs.size).toBe(new Set(many.map(molecule)).size)
  })

  test('are named by number and time, rising, as the documents of their topic are', () => {
    const names = Array.from({ length: 50 }, (_, i) =>
      runFileName({ seed: 3, startMs: 1_784_000_000_000 }, i),
    )
    for (const name of names) expect(name).toMatch(/^\d{5}-\d{19}\.json$/)
    expect(names).toEqual([...names].sort())
    const times = names.map((name) => name.slice(6))
    expect(times).toEqual([...times].sort())
  })

  test('pass all blocking checks when a night lands and builds them', async () => {
    const home = join(root, 'lake')
    const simulate = [
      'simulate',
      'quantum',
      '--to',
      'dir',
      '--count',
      '40',
      '--iterations',
      '12',
      '--bad',
      '0.2',
    ]
    const sent = JSON.parse((await runFirn([...simulate, '--json'], { home })).stdout) as {
      readonly bad: Readonly<Record<string, number>>
    }
    const bad = Object.values(sent.bad).reduce((a, b) => a + b)
    expect(bad).toBeGreaterThan(0)
    const { code, stdout, stderr } = await runFirn(
      ['run', 'nightly', 'quantum', '--date', '2026-07-01', '--no-maintain', '--json'],
      { home, env: { FIRN_KAFKA_BROKERS: '' } },
    )
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    const night = JSON.parse(stdout) as {
      readonly status: string
      readonly land: { readonly records: number; readonly deadLetters: number }
      readonly build: {
        readonly checks: { readonly results: readonly { severity: string; passed: boolean }[] }
      }
    }
    expect(night).toMatchObject({ status: 'published', land: { records: 40 - bad, deadLetters: bad } })
    const blocking = night.build.checks.results.filter(({ severity }) => severity === 'blocking')
    expect(blocking.length).toBeGreaterThan(5)
    expect(blocking.filter(({ passed }) => !passed)).toEqual([])
    const kinds = await runFirn(
      ['sql', 'SELECT error_kind, count(*) AS n FROM raw.dead_letters GROUP BY ALL', '--json'],
      { home },
    )
    const letters = JSON.parse(kinds.stdout) as readonly { error_kind: string; n: number }[]
    const expected = Object.entries(sent.bad).filter(([, count]) => count > 0)
    expect(Object.fromEntries(letters.map(({ error_kind, n }) => [error_kind, n]))).toEqual(
      Object.fromEntries(expected),
    )
  })
})
