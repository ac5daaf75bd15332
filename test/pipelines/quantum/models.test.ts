import { describe, expect, test } from 'vitest'
import type { Row } from '../../../engine/engine.js'
import pipeline from '../../../pipelines/quantum/pipeline.js'
import { readSample } from '../../../pipelines/quantum/sample/unpack-sample.js'
import { oracleTables } from '../../support/quantum-oracle.js'
import { BATCH, quantumSession, sqlText } from './quantum-session.js'

const sample = readSample().map(({ document }) => document)
const models = Object.entries(pipeline.models!)

describe('the features of the convergence models', () => {
  test('are one row a run that got to iteration K, with its label and every declared column', async () => {
    const summaries = oracleTables(sample, BATCH).ml_run_summary!
    for (const [name, model] of models) {
      const rows = await features(sample, model.features)
      const longEnough = summaries.filter((row) => (row.total_iterations as number) >= model.firstK)
      expect(rows.map((row) => row.entity)).toEqual(longEnough.map((row) => row.experiment_id))
      expect(rows.map((row) => row.label)).toEqual(longEnough.map((row) => (row.converged === true ? 1 : 0)))
      expect(rows.map((row) => row.group)).toEqual(longEnough.map((row) => row.molecule_name))
      const columns = ['entity', 'group', 'label', ...model.numeric, ...model.categorical]
      expect(Object.keys(rows[0]!).sort(), name).toEqual(columns.sort())
      for (const column of model.numeric) {
        expect(
          rows.filter((row) => !Number.isFinite(row[column])),
          column,
        ).toEqual([])
      }
    }
  })

  test('change in nothing but the label when all that follows iteration K is cut off and falsified', async () => {
    for (const [, model] of models) {
      const long = sample.filter((text) => JSON.parse(text).vqe_result.iteration_list.length > model.firstK)
      const whole = await features(long, model.features)
      const cut = await features(
        long.map((text) => cutAfter(text, model.firstK)),
        model.features,
      )
      expect(cut.map(withoutLabel)).toEqual(whole.map(withoutLabel))
      expect(cut.every((row) => row.label === null)).toBe(true)
    }
  })
})

async function features(texts: readonly string[], path: string): Promise<readonly Row[]> {
  const session = await quantumSession(texts)
  const { rows } = await session.query(sqlText(path))
  await session.close()
  return rows
}

function cutAfter(text: string, k: number): string {
  const document = JSON.parse(text)
  document.vqe_result.iteration_list.length = k
  Object.assign(document.vqe_result, { minimum: -77, success: null, nfev: 1, optimal_parameters: [] })
  Object.assign(document, { vqe_time: 0.5, total_time: 0.5 })
  return JSON.stringify(document)
}

const withoutLabel = (row: Row) => ({ ...row, label: undefined })
