import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isIcebergError } from '../../iceberg/error.js'
import { buildDataset } from '../../ml/datasets/build-dataset.js'
import { encodeDataset } from '../../ml/datasets/dataset.js'
import { runChild } from '../../ml/process/run-child.js'
import type { ScoreJob } from '../../ml/scoring/score-child.js'
import { readArtifact } from '../../ml/training/model-artifact.js'
import { resolvePin } from '../../ml/training/resolve-pin.js'
import { runTraining } from '../../ml/training/run-training.js'
import { THREAD_SETTINGS } from '../../ml/training/tensorflow.js'
import { FirnError } from '../../schemas/error.js'
import type { TestLake } from '../lake/support/lake.js'
import { addRuns, TOY, toyDataset, toyLake, toyRows } from './support/toy-lake.js'

const PIN = { pipeline: 'toy', model: 'success' }
const FIRST = '20260701T020000Z'
const SECOND = '20260702T020000Z'
let lake: TestLake

beforeAll(async () => {
  lake = await toyLake()
  await addRuns(lake, toyRows(90, FIRST), `v_${FIRST}`)
  await addRuns(lake, toyRows(30, SECOND), `v_incr_${SECOND}`)
})
afterAll(() => lake.close())

describe('a pin', () => {
  test('is the newest batch by instant and suffix, or the tag that was named', async () => {
    const { metadata } = await lake.catalog.loadTable({ namespace: 'toy_features', name: 'runs' })
    const idOf = (tag: string) => metadata.refs[tag]!['snapshot-id'].toString()
    const newest = await resolvePin(lake.deps, { ...PIN, seed: 3 })
    expect(newest).toEqual({
      ...PIN,
      ...{ tag: `v_incr_${SECOND}`, seed: 3 },
      snapshots: { 'toy_features.runs': idOf(`v_incr_${SECOND}`) },
    })
    const named = await resolvePin(lake.deps, { ...PIN, at: `v_${FIRST}` })
    expect(named.snapshots).toEqual({ 'toy_features.runs': idOf(`v_${FIRST}`) })
  })

  test('says which tags there are when the named one is not', async () => {
    await expect(resolvePin(lake.deps, { ...PIN, at: 'v_nothing' })).rejects.toThrow(
      /no tag "v_nothing"; its newest tags are .*v_20260701T020000Z/,
    )
    await expect(resolvePin(lake.deps, { pipeline: 'toy', model: 'other' })).rejects.toThrow(
      /known are: success/,
    )
    const inherited = { pipeline: 'toy', model: 'constructor' }
    await expect(resolvePin(lake.deps, inherited)).rejects.toMatchObject({ kind: 'not-found' })
    const at = resolvePin(lake.deps, { ...PIN, at: 'constructor' })
    await expect(at).rejects.toMatchObject({ kind: 'not-found' })
  })
})

describe('a data set', () => {
  test('holds the labelled rows of its pin, whatever was added since', async () => {
    const pin = await resolvePin(lake.deps, { ...PIN, at: `v_${FIRST}` })
    const built = await buildDataset(lake.deps, pin)
    const labelled = toyRows(90, FIRST).filter((row) => row['ok'] !== null).length
    expect(built).toMatchObject({ rows: labelled, features: 3 })
    expect(await buildDataset(lake.deps, pin)).toEqual(built)
    const newest = await buildDataset(lake.deps, await resolvePin(lake.deps, PIN))
    expect(newest.rows).toBeGreaterThan(built.rows)
    expect(newest.digest).not.toBe(built.digest)
  })

  test('is refused when the SQL gives an entity twice, or lacks a feature', async () => {
    const pin = await resolvePin(lake.deps, PIN)
    const withSql = (sql: string) => ({
      ...lake.deps,
      pipelines: new Map([['toy', { ...TOY, sqlTexts: { 'success.sql': sql } }]]),
    })
    const doubled = `SELECT 'a' AS entity, 'g' AS "group", ok AS label, signal, noise, method FROM runs`
    await expect(buildDataset(withSql(doubled), pin)).rejects.toThrow(/gives the entity "a" more than once/)
    const lacking = `SELECT run_id AS entity, kind AS "group", ok AS label, signal, method FROM runs`
    await expect(buildDataset(withSql(lacking), pin)).rejects.toThrow(/has no column noise/)
    const alike = `SELECT run_id AS entity, kind AS "group", 1 AS label, signal, noise, method FROM runs`
    await expect(buildDataset(withSql(alike), pin)).rejects.toThrow(/there is nothing to learn/)
  })
})

describe('a training', () => {
  test('gives equal weights in two processes with one seed and others with another; it beats a guess', async () => {
    const pin = await resolvePin(lake.deps, { ...PIN, at: `v_${FIRST}`, seed: 0 })
    const dataset = await buildDataset(lake.deps, pin)
    const progress: string[] = []
    const once = await runTraining(lake.deps, pin, dataset, { onProgress: (text) => progress.push(text) })
    const again = await runTraining(lake.deps, pin, dataset)
    expect(again).toEqual(once)
    const other = await runTraining(lake.deps, { ...pin, seed: 1 }, dataset)
    expect(other.weightsDigest).not.toBe(once.weightsDigest)

    expect(progress.at(-1)).toBe('all rows: epoch 8/8')
    expect(once.folds.map(({ group, rows }) => [group, rows])).toEqual([
      ['g0', expect.any(Number)],
      ['g1', expect.any(Number)],
      ['g2', expect.any(Number)],
    ])
    expect(once.folds.reduce((sum, fold) => sum + fold.rows, 0)).toBe(dataset.rows)
    expect(once.metrics.auc).toBeGreaterThan(once.baseline.auc)
    expect(once.metrics.auc).toBeGreaterThan(0.9)
    expect(once.baselineName).toBe('rate by method')
    const artifact = await readArtifact(lake.deps, once.artifactLocation)
    expect(artifact).toMatchObject({ pin, dataset, environment: { threads: THREAD_SETTINGS } })
    expect(artifact.evaluation.baselines['share of positives']?.auc).toBe(0.5)
  })

  test('says so when there is only one group to hold out', async () => {
    const rows = toyDataset(30).rows.map((row) => ({ ...row, group: 'only' }))
    const { bytes, digest } = encodeDataset({ ...toyDataset(0), rows })
    const location = `${lake.deps.warehouse}/one-group.json.gz`
    await lake.deps.catalog.io.write(location, bytes)
    const pin = await resolvePin(lake.deps, PIN)
    const training = runTraining(lake.deps, pin, { location, digest, rows: rows.length, features: 3 })
    await expect(training).rejects.toMatchObject({ kind: 'training-failed' })
    await expect(training).rejects.toThrow(/at least two are needed/)
  })

  test('ends with its process when it is cancelled, and stores nothing', async () => {
    const slow = { ...TOY.models!['success']!, network: { ...TOY.models!['success']!.network, epochs: 1e6 } }
    const deps = {
      ...lake.deps,
      pipelines: new Map([['toy', { ...TOY, models: { success: slow } }]]),
    }
    const pin = await resolvePin(deps, { ...PIN, seed: 99 })
    const dataset = await buildDataset(deps, pin)
    const cancel = new AbortController()
    const training = runTraining(deps, pin, dataset, {
      onProgress: () => cancel.abort(),
      signal: cancel.signal,
    })
    await expect(training).rejects.toSatisfy(
      (error) => error instanceof FirnError && error.kind === 'cancelled',
    )
  })

  test('ends when its parent is killed', async () => {
    const { bytes, digest } = encodeDataset(toyDataset(30))
    const script = join(import.meta.dirname, 'support', 'endless-parent.mjs')
    const parent = spawn(process.execPath, [script, Buffer.from(bytes).toString('base64'), digest], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const child = Number(await new Promise((resolve) => parent.stdout.once('data', resolve)))
    expect(isAlive(child)).toBe(true)
    parent.kill('SIGKILL')
    await expect.poll(() => isAlive(child), { timeout: 20_000 }).toBe(false)
  })

  test('a changed data set is refused', async () => {
    const pin = await resolvePin(lake.deps, PIN)
    const dataset = await buildDataset(lake.deps, pin)
    await expect(runTraining(lake.deps, pin, { ...dataset, digest: 'other' })).rejects.toThrow(
      /the file was changed/,
    )
    const gone = { ...dataset, location: `${dataset.location}.gone` }
    await expect(runTraining(lake.deps, pin, gone)).rejects.toSatisfy((error) =>
      isIcebergError(error, 'not-found'),
    )
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('scores', () => {
  test('do not depend on how many rows are scored at once, nor on their order', async () => {
    const pin = await resolvePin(lake.deps, { ...PIN, at: `v_${FIRST}` })
    const trained = await runTraining(lake.deps, pin, await buildDataset(lake.deps, pin))
    const { network } = await readArtifact(lake.deps, trained.artifactLocation)
    const { rows } = toyDataset(700)
    const score = (some: ScoreJob['rows']) =>
      runChild<number[]>('ml/scoring/score-child', { network, rows: some }, { env: THREAD_SETTINGS })
    const all = await score(rows)
    expect(all).toHaveLength(rows.length)
    expect(await score(rows.slice(250, 263))).toEqual(all.slice(250, 263))
    expect(await score([...rows].reverse())).toEqual([...all].reverse())
    expect(await score(rows.slice(5, 6))).toEqual(all.slice(5, 6))
  })
})
