import { describe, expect, test } from 'vitest'
import type { EngineSession, Row } from '../../../engine/engine.js'
import type { ModelDefinition } from '../../../index.js'
import pipeline from '../../../pipelines/quantum/pipeline.js'
import { readSample } from '../../../pipelines/quantum/sample/unpack-sample.js'
import { oracleTables } from '../../support/quantum-oracle.js'
import { BATCH, quantumSession, SMALL_TABLES, sqlText } from './quantum-session.js'

const sample = readSample().map(({ document }) => document)
const models = Object.entries(pipeline.models!)

describe('the features of the convergence models', () => {
  test('are one row a run that got to iteration K, with its label and every declared column', async () => {
    const summaries = oracleTables(sample, BATCH, ['ml_run_summary']).ml_run_summary!
    const session = await quantumSession(sample, { tables: SMALL_TABLES })
    for (const [name, model] of models) {
      const rows = await featuresOf(session, model)
      const longEnough = summaries.filter((row) => (row.total_iterations as number) >= model.firstK)
      expect(rows.map((row) => row.entity)).toEqual(longEnough.map((row) => row.experiment_id))
      expect(rows.map((row) => row.label)).toEqual(longEnough.map((row) => (row.converged === true ? 1 : 0)))
      expect(rows.map((row) => row.group)).toEqual(longEnough.map((row) => row.molecule_name))
      const columns = ['entity', 'group', 'label', 'batch', ...model.numeric, ...model.categorical]
      expect(Object.keys(rows[0]!).sort(), name).toEqual(columns.sort())
      const bad = rows.filter((row) => model.numeric.some((column) => !Number.isFinite(row[column])))
      expect(bad, name).toEqual([])
    }
    await session.close()
  })

  test('change in nothing but the label when all that follows iteration K is cut off and falsified', async () => {
    const short = [...sample].sort((a, b) => a.length - b.length).slice(0, 60)
    const session = await quantumSession(short, { tables: SMALL_TABLES })
    for (const [, model] of models) {
      const cut = short
        .filter((text) => iterations(text) > model.firstK)
        .map((text) => cutAfter(text, model.firstK))
      const cutSession = await quantumSession(cut, { tables: SMALL_TABLES })
      const falsified = await featuresOf(cutSession, model)
      await cutSession.close()
      expect(falsified.length).toBeGreaterThan(10)
      expect(falsified.every((row) => row.label === null)).toBe(true)
      const entities = new Set(falsified.map((row) => row.entity))
      const whole = (await featuresOf(session, model)).filter((row) => entities.has(row.entity))
      expect(falsified.map(withoutLabel)).toEqual(whole.map(withoutLabel))
    }
    await session.close()
  })
})

async function featuresOf(session: EngineSession, model: ModelDefinition): Promise<readonly Row[]> {
  return (await session.query(sqlText(model.features))).rows
}

const iterations = (text: string) =>
  (JSON.parse(text) as { vqe_result: { iteration_list: unknown[] } }).vqe_result.iteration_list.length

function cutAfter(text: string, k: number): string {
  const document = JSON.parse(text)
  document.vqe_result.iteration_list.length = k
  Object.assign(document.vqe_result, { minimum: -77, success: null, nfev: 1, optimal_parameters: [] })
  Object.assign(document, { vqe_time: 0.5, total_time: 0.5 })
  return JSON.stringify(document)
}

const withoutLabel = (row: Row) => ({ ...row, label: undefined })
