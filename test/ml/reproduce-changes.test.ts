import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import { compareVersions } from '../../ml/registry/compare-versions.js'
import { readTestPredictions } from '../../ml/training/model-artifact.js'
import { compareReproduction } from '../../ml/reproduce/compare-reproduction.js'
import { rebuildDataset } from '../../ml/reproduce/make-again.js'
import type { ReproduceResult } from '../../schemas/model-messages.js'
import type { Pipeline } from '../../schemas/pipeline.js'
import type { TestLake } from '../lake/support/lake.js'
import { partsOf, reproduceVersion, trainVersion } from './support/reproduce.js'
import { addRuns, okFrom, TOY, toyLake, toyRows, toyWith, VIEW_SQL } from './support/toy-lake.js'

const LOGISTIC = 'models:/success/1'
const DENSE = 'models:/success/2'
const SPLIT = 'models:/split_success/1'
const IDENTICAL = { data: 'identical', weights: 'identical', metrics: 'identical' }
let lake: TestLake
let registry: ModelRegistry

beforeAll(async () => {
  lake = await toyLake()
  registry = openModelRegistry({ path: join(toLocalPath(lake.deps.warehouse), '..', 'registry.db') })
  await addRuns(lake, toyRows(90, '20260701T020000Z'), 'v_20260701T020000Z')
  const model = { pipeline: 'toy', model: 'success' }
  await trainVersion(lake.deps, registry, model)
  await trainVersion(lake.deps, registry, { ...model, estimator: 'dense' })
  await trainVersion(lake.deps, registry, { pipeline: 'toy', model: 'split_success' })
}, 60_000)
afterEach(() => {
  vi.unstubAllEnvs()
})
afterAll(() => {
  registry.close()
  lake.close()
})

/** The version made again where the pipeline is defined otherwise now. */
const withPipeline = (change: Partial<Pipeline>, uri = LOGISTIC) =>
  reproduceVersion({ ...lake.deps, pipelines: toyWith(change) }, registry, uri)
const viewSql = (sql: string): Partial<Pipeline> => ({ sqlTexts: { ...TOY.sqlTexts, 'measured.sql': sql } })

/** What weights differ by, but for commits that are made while the tests run. */
const causes = ({ weights }: ReproduceResult) =>
  weights.reasons.filter((reason) => !/^code changed/.test(reason))

describe('what was changed is named', () => {
  test('nothing: identical', async () => {
    expect(partsOf(await reproduceVersion(lake.deps, registry, LOGISTIC))).toEqual(IDENTICAL)
  })

  test("a feature's SQL", async () => {
    const result = await withPipeline(viewSql(VIEW_SQL.replace('signal,', '-signal AS signal,')))
    expect(partsOf(result)).toEqual({ data: 'differs', weights: 'differs', metrics: 'identical' })
    expect(result.data.reasons).toEqual(['view measured is defined differently now'])
    expect(causes(result)).toEqual(['the data differs'])
    expect(result.verdict).toMatch(
      /^data differs: view measured is defined differently now; weights differ: the data differs.*; metrics identical$/,
    )
  })

  test("a feature's SQL that gives the same rows: identical, with a note", async () => {
    const result = await withPipeline(viewSql(`${VIEW_SQL} WHERE 1 = 1`))
    expect(result).toMatchObject({ verdict: 'identical', weights: { verdict: 'identical', reasons: [] } })
    expect(result.data.reasons).toEqual(['view measured is defined differently now, and gives the same rows'])
  })

  test("a label view's SQL, and a row that it leaves out", async () => {
    const columns = 'run_id, ran_at, kind, batch'
    const other = await withPipeline(okFrom(`SELECT ${columns}, NOT ok AS ok FROM runs`))
    expect(partsOf(other)).toMatchObject({ data: 'differs', weights: 'differs' })
    expect(other.data.reasons).toEqual([
      'label view ok is defined differently now',
      'other entities, times, labels or splits',
    ])
    const less = await withPipeline(
      okFrom(`SELECT ${columns}, ok FROM runs WHERE run_id <> '20260701T020000Z-0001'`),
    )
    expect(less.data.reasons).toEqual(['label view ok is defined differently now', '1 row missing'])
  })

  test('the feature service, and the split', async () => {
    const basic = { features: ['measured:signal', 'measured:method'] } as const
    const services = { ...TOY.featureServices, basic }
    const service = await withPipeline({ featureServices: services })
    expect(service.data).toMatchObject({
      verdict: 'differs',
      reasons: ['service basic is defined differently now'],
    })
    // Assignments are rows: what was assigned stays, whatever is planned for new rows.
    const method = { kind: 'hash', by: 'entity', fractions: { train: 0.5, val: 0.25, test: 0.25 } } as const
    const split = await withPipeline({ splits: { v1_hash: { labels: 'ok', seed: 5, method } } }, SPLIT)
    expect(partsOf(split)).toEqual(IDENTICAL)
    expect(split.data.reasons).toEqual(['split v1_hash is defined differently now, and gives the same rows'])
  })

  test('the seed', async () => {
    const result = await reproduceVersion(lake.deps, registry, DENSE, 7)
    expect(partsOf(result)).toEqual({ data: 'identical', weights: 'differs', metrics: 'differs' })
    expect(causes(result)).toEqual(['seed changed: 7, was 0'])
  })

  test('the backend', async () => {
    vi.stubEnv('FIRN_TF_BACKEND', 'tfjs')
    const result = await reproduceVersion(lake.deps, registry, DENSE)
    expect(partsOf(result)).toMatchObject({ data: 'identical', weights: 'differs' })
    expect(result.weights.reasons).toContain('backend changed: tfjs, was tfjs-node')
    expect(result.verdict).toMatch(/^data identical; weights differ: backend changed: tfjs, was tfjs-node/)
  })

  test('not the threads: the recorded ones are taken, whatever the machine says now', async () => {
    vi.stubEnv('TF_NUM_INTRAOP_THREADS', '1')
    vi.stubEnv('TF_ENABLE_ONEDNN_OPTS', '1')
    expect(partsOf(await reproduceVersion(lake.deps, registry, DENSE))).toEqual(IDENTICAL)
  })

  test('a model that the pipeline no longer has is made again from its pin; a view that is gone is said', async () => {
    expect(partsOf(await withPipeline({ models: {} }))).toEqual(IDENTICAL)
    const gone = await withPipeline({ featureViews: {}, featureServices: {} })
    expect(partsOf(gone)).toEqual({ data: 'unavailable', weights: 'unavailable', metrics: 'unavailable' })
    expect(gone.data.reasons).toEqual([expect.stringContaining('basic')])
    const nothing = await reproduceVersion({ ...lake.deps, pipelines: new Map() }, registry, LOGISTIC)
    expect(nothing.data.reasons).toEqual([expect.stringContaining('toy')])
  })
})

describe('versions of one split with two services', () => {
  test('are compared row by row; with other test rows they are refused', async () => {
    const model = { pipeline: 'toy', model: 'split_success' }
    const one = registry.getVersion({ model: 'split_success', version: 1 })!
    const lean = await trainVersion(lake.deps, registry, { ...model, service: 'lean' })
    expect([lean.dataset.rowsDigest, lean.dataset.testDigest]).toEqual([
      one.dataset.rowsDigest,
      one.dataset.testDigest,
    ])
    const compared = await compareVersions(one, lean, (version) => readTestPredictions(lake.deps, version))
    expect(compared).toMatchObject({ sameRows: true, testRows: one.dataset.splits['test']!.rows })
    expect(compared.metrics.find(({ metric }) => metric === 'test/roc_auc')!.paired).toBeDefined()
    const batch = '20260702T020000Z'
    await addRuns(lake, toyRows(60, batch), `v_incr_${batch}`)
    const later = await trainVersion(lake.deps, registry, model)
    await expect(compareVersions(one, later)).rejects.toThrow(/can't be compared: their test rows differ/)
  })
})

describe('one byte of a data file changed', () => {
  test('is never identical, and never a crash, wherever it is', async () => {
    const version = registry.getVersion({ model: 'success', version: 1 })!
    const [path] = await dataFiles()
    const whole = readFileSync(path!)
    const step = Math.ceil(whole.length / 40)
    const places = [
      ...Array.from({ length: 40 }, (_, at) => at * step),
      ...[1, 5, 9].map((back) => whole.length - back),
    ]
    const found = { identical: 0, differs: 0, unavailable: 0 }
    try {
      for (const place of places.filter((at) => at < whole.length)) {
        const changed = Buffer.from(whole)
        changed[place] = changed[place]! ^ 0xff
        rewrite(path!, changed)
        const rebuilt = await rebuildDataset(lake.deps, version.pin, version.dataset.inputs)
        const retrained = { kind: 'unavailable', reason: 'not asked for' } as const
        const { data } = compareReproduction({
          given: { uri: LOGISTIC },
          recorded: version,
          rebuilt,
          retrained,
        })
        found[data.verdict] += 1
        expect(data.reasons[0], `byte ${place}`).toContain('a data file of toy_features.runs was changed')
      }
    } finally {
      rewrite(path!, whole)
    }
    expect(found.identical).toBe(0)
    expect(found.differs).toBeGreaterThan(0)
    expect(found.unavailable).toBeGreaterThan(0)
    const restored = await reproduceVersion(lake.deps, registry, LOGISTIC)
    expect(restored.verdict).toBe('identical')
  }, 60_000)

  test('nor is it where a file is gone', async () => {
    const [path] = await dataFiles()
    const whole = readFileSync(path!)
    try {
      rmSync(path!)
      const { data } = await reproduceVersion(lake.deps, registry, LOGISTIC)
      expect(data).toMatchObject({ verdict: 'unavailable', digest: null })
      expect(data.reasons.join()).toContain(basename(path!))
    } finally {
      rewrite(path!, whole)
    }
  })

  test('says that a data file was changed, and that weights differ because of it', async () => {
    const [path] = await dataFiles()
    const whole = readFileSync(path!)
    // A value of `signal`, as it lies in the file.
    const value = Buffer.alloc(8)
    value.writeDoubleLE(toyRows(90, '20260701T020000Z')[17]!['signal'] as number)
    const at = whole.indexOf(value)
    const changed = Buffer.from(whole)
    changed[at + 6] = changed[at + 6]! ^ 0x10
    try {
      expect(at).toBeGreaterThan(0)
      rewrite(path!, changed)
      const result = await reproduceVersion(lake.deps, registry, LOGISTIC)
      expect(partsOf(result)).toMatchObject({ data: 'differs', weights: 'differs' })
      expect(result.data.reasons).toEqual(['a data file of toy_features.runs was changed'])
      expect(causes(result)).toEqual(['the data differs'])
    } finally {
      rewrite(path!, whole)
    }
  })
})

let rewrites = 0

/** At a time of its own: within a second the engine takes a file of the same size for the one that it has in its cache. */
function rewrite(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes)
  const time = Date.now() / 1000 + 10 * ++rewrites
  utimesSync(path, time, time)
}

/** Those that version 1 was trained on. */
async function dataFiles(): Promise<readonly string[]> {
  const { metadata } = await lake.catalog.loadTable(parseIdentifier('toy_features.runs'))
  const snapshot = registry.getVersion({ model: 'success', version: 1 })!.pin.snapshots['toy_features.runs']!
  const target = { kind: 'snapshot', snapshotId: BigInt(snapshot) } as const
  const { tasks } = await planScan({ metadata, io: lake.catalog.io, target })
  return tasks.map(({ file }) => toLocalPath(file.filePath))
}
