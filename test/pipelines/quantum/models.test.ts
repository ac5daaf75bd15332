import { describe, expect, test } from 'vitest'
import type { EngineSession, Row } from '../../../engine/engine.js'
import pipeline from '../../../pipelines/quantum/pipeline.js'
import { readSample } from '../../../pipelines/quantum/sample/unpack-sample.js'
import { oracleTables } from '../../support/quantum-oracle.js'
import { BATCH, quantumSession, SMALL_TABLES, sqlText } from './quantum-session.js'

const sample = readSample().map(({ document }) => document)
const short = [...sample].sort((a, b) => a.length - b.length).slice(0, 60)
const WINDOWS = [10, 20, 50].map((k) => [`first_${k}`, k] as const)
const SHARES = [0.25, 0.5, 0.75].map((share) => [`share_${share * 100}`, share] as const)

describe('the features of a run', () => {
  test('are one row a run that got to iteration K, with every declared column', async () => {
    const summaries = oracleTables(sample, BATCH, ['ml_run_summary']).ml_run_summary!
    const session = await quantumSession(sample, { tables: SMALL_TABLES })
    for (const [view, least] of [...WINDOWS, ...SHARES.map(([name]) => [name, 1] as const)]) {
      const rows = await rowsOf(session, view)
      const longEnough = summaries.filter((row) => (row.total_iterations as number) >= least)
      expect(rows.map((row) => row['experiment_id'])).toEqual(longEnough.map((row) => row.experiment_id))
      const declared = Object.keys(pipeline.featureViews![view]!.schema)
      expect(Object.keys(rows[0]!).sort(), view).toEqual(
        [...declared, 'experiment_id', 'processing_timestamp'].sort(),
      )
      const bad = rows.filter((row) => declared.some((column) => !Number.isFinite(row[column])))
      expect(bad, view).toEqual([])
    }
    await session.close()
  })

  test('do not change when all that follows the window, and how the run ended, is falsified', async () => {
    const session = await quantumSession(short, { tables: SMALL_TABLES })
    for (const [view, k] of WINDOWS) {
      const cut = short.filter((text) => iterations(text) > k).map((text) => falsifiedAfter(text, k, true))
      await expectSame(session, view, cut)
    }
    for (const [view, share] of SHARES) {
      // How many iterations there are in all decides where the window ends; it is no feature.
      const falsified = short.map((text) =>
        falsifiedAfter(text, Math.max(1, Math.floor(share * iterations(text))), false),
      )
      await expectSame(session, view, falsified)
    }
    await session.close()
  })
})

describe('the labels of a run', () => {
  test.each(['converged_k20', 'final_energy'])('of %s are its outcome, of runs long enough', async (view) => {
    const summaries = oracleTables(sample, BATCH, ['ml_run_summary']).ml_run_summary!
    const session = await quantumSession(sample, { tables: SMALL_TABLES })
    const { label, group } = pipeline.labelViews![view]!
    const rows = await rowsOf(session, view, 'labelViews')
    const least = view === 'converged_k20' ? 20 : 1
    const expected = summaries.filter((row) => (row.total_iterations as number) >= least)
    expect(rows.map((row) => [row['experiment_id'], row[label], row[group!]])).toEqual(
      expected.map((row) => [row.experiment_id, row[label], row.molecule_name]),
    )
    await session.close()
  })
})

async function expectSame(session: EngineSession, view: string, documents: readonly string[]): Promise<void> {
  const other = await quantumSession(documents, { tables: SMALL_TABLES })
  const falsified = await rowsOf(other, view)
  await other.close()
  expect(falsified.length).toBeGreaterThan(10)
  const entities = new Set(falsified.map((row) => row['experiment_id']))
  expect(falsified).toEqual((await rowsOf(session, view)).filter((row) => entities.has(row['experiment_id'])))
}

async function rowsOf(
  session: EngineSession,
  name: string,
  of: 'featureViews' | 'labelViews' = 'featureViews',
): Promise<readonly Row[]> {
  const view = pipeline[of]![name]!
  if (!('sql' in view)) throw new Error(`${name} has no SQL`)
  const parameters = Object.entries(view.parameters ?? {}).map(([key, value]) => `${value} AS ${key}`)
  const sql = `WITH parameters AS (SELECT ${parameters.join(', ')}) SELECT * FROM (${sqlText(view.sql)})`
  return (await session.query(sql)).rows
}

const iterations = (text: string) =>
  (JSON.parse(text) as { vqe_result: { iteration_list: unknown[] } }).vqe_result.iteration_list.length

function falsifiedAfter(text: string, k: number, cut: boolean): string {
  const document = JSON.parse(text)
  const list = document.vqe_result.iteration_list as { result: number; cumulative_min_energy?: number }[]
  if (cut) list.length = k
  for (const iteration of list.slice(k)) Object.assign(iteration, { result: -99, cumulative_min_energy: -99 })
  Object.assign(document.vqe_result, { minimum: -77, success: null, nfev: 1, optimal_parameters: [] })
  Object.assign(document, { vqe_time: 0.5, total_time: 0.5 })
  return JSON.stringify(document)
}
