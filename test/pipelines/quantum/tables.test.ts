import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { EngineSession, Row, RowValue } from '../../../engine/engine.js'
import pipeline from '../../../pipelines/quantum/pipeline.js'
import { readSample } from '../../../pipelines/quantum/sample/unpack-sample.js'
import { FULL } from '../../support/full.js'
import { experimentId, oracleTables, type OracleRow, type OracleValue } from '../../support/quantum-oracle.js'
import { BATCH, quantumSession, rowsOf, TABLES } from './quantum-session.js'
import { variantsOf } from './variants.js'

/** All 150 runs in CI, every third otherwise. */
const sample = readSample()
  .filter((_, i) => FULL || i % 3 === 0)
  .map(({ document }) => document)
const shortest = sample.reduce((a, b) => (a.length <= b.length ? a : b))

/**
 * Columns whose definition leaves the order of float operations open: equal to 1e-12 of the magnitude of what goes into
 * them. Every other column is equal bit for bit.
 */
const ROUNDED: Readonly<Record<string, (row: OracleRow) => number>> = {
  energy_moving_std_5: (row) =>
    Math.abs(row.energy_moving_avg_5 as number) + (row.energy_moving_std_5 as number),
  mean_param_change: (row) => row.mean_param_change as number,
  std_energy_delta: (row) => row.std_energy_delta as number,
  std_param_delta_norm: (row) => row.std_param_delta_norm as number,
  first_10_energy_slope: (row) => Math.max(-(row.min_energy as number), row.max_energy as number),
}

describe('the eleven quantum tables', () => {
  test(
    `equal the independent computation in every column, on ${sample.length} runs`,
    { timeout: 180_000 },
    async () => {
      const differences = await differencesFromOracle(sample)
      expect(differences).toEqual([])
    },
  )

  test('equal it on what older producers send, on duplicates and on degenerate runs', async () => {
    const variants = variantsOf(shortest)
    const differences = await differencesFromOracle(variants.map(({ text }) => text))
    expect(differences).toEqual([])
    expect(new Set(variants.map(({ text }) => experimentId(text))).size).toBe(variants.length - 2)
  })

  test('are equal bit for bit at 1, 2 and 8 threads', { timeout: 120_000 }, async () => {
    const digests = []
    for (const threads of [1, 2, 8]) {
      const session = await quantumSession(sample, { threads })
      digests.push(await digestOf(session))
      await session.close()
    }
    expect(digests[1]).toEqual(digests[0])
    expect(digests[2]).toEqual(digests[0])
  })
})

/** Each difference in words; a table's columns must be those of its definition. */
async function differencesFromOracle(texts: readonly string[]): Promise<readonly string[]> {
  const expected = oracleTables(texts, BATCH)
  const session = await quantumSession(texts)
  const found: string[] = []
  for (const table of TABLES) {
    const rows = await rowsOf(session, table)
    const wanted = expected[table]!
    if (rows.length !== wanted.length) found.push(`${table} has ${rows.length} rows, not ${wanted.length}`)
    const columns = Object.keys(pipeline.tables[table]!.schema)
    for (const [i, row] of rows.entries()) {
      if (wanted[i] !== undefined) found.push(...rowDifferences(`${table}[${i}]`, columns, row, wanted[i]))
      if (found.length > 20) return found
    }
    const surplus = Object.keys(wanted[0] ?? {}).filter((column) => !columns.includes(column))
    if (surplus.length > 0) found.push(`${table} lacks the columns ${surplus.join(', ')}`)
  }
  await session.close()
  return found
}

function rowDifferences(
  at: string,
  columns: readonly string[],
  row: Row,
  wanted: OracleRow,
): readonly string[] {
  const found: string[] = []
  for (const column of columns) {
    const [got, want] = [row[column], wanted[column]]
    if (got === want) continue
    if (got === undefined || want === undefined) found.push(`${at}.${column} is missing`)
    else if (!same(got, want, ROUNDED[column]?.(wanted))) {
      found.push(`${at}.${column} is ${show(got)}, not ${show(want)}`)
    }
  }
  return found
}

function same(got: RowValue, want: OracleValue, scale: number | undefined): boolean {
  if (typeof got === 'number' && typeof want === 'number' && scale !== undefined) {
    return Math.abs(got - want) <= 1e-12 * scale
  }
  if (Array.isArray(got) && Array.isArray(want)) {
    return (
      got.length === want.length &&
      got.every((item, i) => same(item as RowValue, want[i] as OracleValue, undefined))
    )
  }
  return got === want
}

const show = (value: unknown) => inspect(value).slice(0, 80)

/** Number of rows and a sum of row hashes, which sees every bit of every column but not the order. */
async function digestOf(session: EngineSession): Promise<Readonly<Record<string, Row | undefined>>> {
  const digests: Record<string, Row | undefined> = {}
  for (const table of TABLES) {
    const { rows } = await session.query(
      `SELECT count(*) AS rows, CAST(sum(CAST(hash(t) AS HUGEINT)) AS VARCHAR) AS digest FROM ${table} t`,
    )
    digests[table] = rows[0]
  }
  return digests
}
