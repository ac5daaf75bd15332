import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseIdentifier } from '../../iceberg/catalog/catalog.js'
import { toLocalPath } from '../../iceberg/io/location.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { publish } from '../../lake/publish/publish.js'
import { ensureSplitTables } from '../../lake/tables/ensure-tables.js'
import { traceSnapshot } from '../../ml/lineage/trace-snapshot.js'
import { traceVersion } from '../../ml/lineage/trace-version.js'
import type { VersionOrigin } from '../../ml/lineage/version-lineage.js'
import { writeLineageFiles, writeMissingLineage } from '../../ml/lineage/write-lineage-files.js'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import { deleteVersion } from '../../ml/registry/register-version.js'
import type { ModelVersion, VersionKey } from '../../ml/registry/version-store.js'
import { scoreBatch } from '../../ml/scoring/score-batch.js'
import { build, land, RUN } from '../lake/support/batches.js'
import { Crash } from '../lake/support/crashing.js'
import { testLake, type TestLake } from '../lake/support/lake.js'
import { labModels } from './support/lab-models.js'
import { trainVersion } from './support/reproduce.js'
import { addRuns, toyLake, toyRows } from './support/toy-lake.js'

const BATCHES = ['20260701T020000Z', '20260702T020000Z', '20260703T020000Z'] as const
const RESULTS = 'lab_features.results'
let lake: TestLake
let registry: ModelRegistry
let version: ModelVersion
let newer: ModelVersion

beforeAll(async () => {
  lake = testLake([labModels])
  registry = registryOf(lake)
  await ensureSplitTables(lake.deps)
  for (const [day, batch] of BATCHES.entries()) {
    await landDay(day, batch)
    await build(lake.deps, batch)
  }
  const input = { pipeline: 'lab', model: 'long' }
  version = await trainVersion(lake.deps, registry, { ...input, at: `v_incr_${BATCHES[1]}` })
  newer = await trainVersion(lake.deps, registry, input)
  const scoring = { input: { ...input, version: 1, batch: BATCHES[2] }, run: RUN }
  await scoreBatch(lake.deps, registry, (request) => publish(lake.deps, request), scoring)
}, 60_000)
afterAll(() => {
  registry.close()
  lake.close()
})

function registryOf({ deps }: TestLake): ModelRegistry {
  return openModelRegistry({ path: join(toLocalPath(deps.warehouse), '..', 'registry.db') })
}

async function landDay(day: number, batch: string): Promise<void> {
  const runs = Array.from({ length: 30 }, (_, i) => ({
    ...{ id: `${day}-${i}`, grp: `g${i % 3}` },
    values: Array.from({ length: 1 + (i % 4) }, (_, at) => i + at),
  }))
  await land(lake, batch, runs)
}

const headId = async (table: string): Promise<string> =>
  String(headOf((await lake.catalog.loadTable(parseIdentifier(table))).metadata)!['snapshot-id'])

describe('the lineage of a version', () => {
  test('goes back to exactly the raw objects that its batches were built from', async () => {
    const lineage = await traceVersion(lake.deps, version)
    expect(
      lineage.inputs.map(({ table, isTagged, isThere, batch }) => [table, isTagged, isThere, batch]),
    ).toEqual([
      ['lab_features.results', true, true, BATCHES[1]],
      ['lab_features.summaries', true, true, BATCHES[1]],
      ['ml_datasets.splits', true, true, BATCHES[1]],
    ])
    expect(lineage.batches.map(({ batch, processingName }) => [batch, processingName])).toEqual([
      [BATCHES[0], 'lab'],
      [BATCHES[1], 'lab'],
      [BATCHES[1], 'lab.split.v1'],
    ])
    const ledger = (await lake.rows('raw.runs', 'row_number')).filter((row) => row['batch'] !== BATCHES[2])
    const [source] = lineage.sources
    expect(lineage.sources).toHaveLength(1)
    expect(source).toMatchObject({
      source: 'runs',
      ledger: 'raw.runs',
      rows: [[0, 60]],
      records: 60,
      gaps: [],
    })
    expect(source!.objects.map(({ path }) => path).sort()).toEqual(
      [...new Set(ledger.map((row) => row['path']))].sort(),
    )
    for (const { path, sha256 } of source!.objects) {
      const bytes = readFileSync(toLocalPath(path))
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
    }
    expect(source!.ranges.reduce((sum, range) => sum + range.records, 0)).toBe(60)
    expect(lineage.unknown).toEqual([])
    const all = await traceVersion(lake.deps, newer)
    expect([all.batchCount, all.sources[0]!.records]).toEqual([5, 90])
    expect(all.sources[0]!.digest).not.toBe(source!.digest)
  })

  test('says what was trained on, by what code, and how it was split', async () => {
    const { data, trained, split, pin, format, ...rest } = await traceVersion(lake.deps, version)
    const { train } = version.dataset.splits
    expect({ format, ...rest }).toMatchObject({
      ...{ format: 1, model: 'long', version: 1, uri: 'models:/long/1', runId: version.runId },
    })
    expect(pin).toEqual(version.pin)
    expect(split).toMatchObject({ version: 'v1', seed: 3 })
    expect(data).toMatchObject({
      ...{ digest: version.dataset.digest, rows: 60, training_row_count: train!.rows },
      positive_rate: train!.classes!['1']! / train!.rows,
      feature_set_version: expect.stringMatching(/^basic@[0-9a-f]{12}$/),
      inputExample: { total: expect.any(Number) },
    })
    expect(Object.keys(data.fingerprints)).toEqual(
      expect.arrayContaining(['view totals', 'service basic', 'label view long', 'split v1']),
    )
    expect(trained.environment).toEqual(version.trained.environment)
  })

  test('goes on to the predictions, and a table knows who saw it', async () => {
    const { predictions } = await traceVersion(lake.deps, version)
    expect(predictions).toMatchObject([
      { model: 'long', version: 1, batch: BATCHES[2], table: 'lab_features.predictions', rows: 30 },
    ])
    expect((await traceVersion(lake.deps, newer)).predictions).toEqual([])
    const head = await headId(RESULTS)
    const { snapshots } = await traceSnapshot(lake.deps, registry, { table: RESULTS })
    expect(snapshots.map(({ snapshot }) => snapshot).sort()).toEqual(
      [head, version.pin.snapshots[RESULTS]!].sort(),
    )
    const { snapshots: one } = await traceSnapshot(lake.deps, registry, { table: RESULTS, snapshot: head })
    expect(one).toMatchObject([
      {
        ...{ snapshot: head, isThere: true, writtenBy: { batch: BATCHES[2], processingName: 'lab' } },
        trained: [{ uri: 'models:/long/2', state: 'READY', tag: `v_incr_${BATCHES[2]}` }],
        scorings: [{ model: 'long', version: 1, batch: BATCHES[2] }],
      },
    ])
    expect(one[0]!.refs).toContain('model-long-2-data')
  })

  test('of a table or snapshot that nobody knows says what there is', async () => {
    const table = traceSnapshot(lake.deps, registry, { table: 'lab_features.nothing' })
    await expect(table).rejects.toThrow(/no table lab_features.nothing/)
    const snapshot = traceSnapshot(lake.deps, registry, { table: RESULTS, snapshot: '12' })
    await expect(snapshot).rejects.toThrow(/has no snapshot 12.*Known are \d+/)
  })

  test('says `unknown` of rows that came without a batch, never a guess', async () => {
    const toy = await toyLake()
    const versions = registryOf(toy)
    await addRuns(toy, toyRows(60, BATCHES[0]), `v_${BATCHES[0]}`)
    const trained = await trainVersion(toy.deps, versions, { pipeline: 'toy', model: 'success' })
    const lineage = await traceVersion(toy.deps, trained)
    expect(lineage).toMatchObject({ batchCount: 0, batches: [], sources: [], predictions: [] })
    expect(lineage.unknown).toEqual([expect.stringContaining('toy_features.runs at snapshot')])
    await deleteVersion(toy.deps, versions, trained)
    const { inputs } = await traceVersion(toy.deps, trained)
    expect(inputs).toMatchObject([{ isTagged: false, isThere: true }])
    versions.close()
    toy.close()
  })
})

describe('the files of a version', () => {
  const artifacts = () => registry.getRun(version.runId)!.artifacts

  test('are written once, and logged as artifacts of its run', async () => {
    await writeLineageFiles(lake.deps, registry, version)
    expect(artifacts().map(({ path }) => path)).toEqual([
      'lineage/complete_lineage.json',
      'lineage/reproduce.sh',
    ])
    const [json] = artifacts()
    const bytes = readFileSync(toLocalPath(json!.location))
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(json!.sha256)
    expect(bytes.length).toBe(json!.sizeBytes)
    const { predictions, ...origin } = await traceVersion(lake.deps, version)
    expect(predictions).toHaveLength(1)
    expect(JSON.parse(bytes.toString()) as VersionOrigin).toEqual(JSON.parse(JSON.stringify(origin)))
    const { revision } = registry.getRun(version.runId)!
    await writeLineageFiles(lake.deps, registry, version)
    expect(registry.getRun(version.runId)!.revision).toBe(revision)
  })

  test.each(['before', 'after'] as const)(
    'that a crash %s any step kept back are written by maintenance, once',
    async (when) => {
      await writeMissingLineage(lake.deps, registry)
      const seed = when === 'before' ? 1 : 2
      const trained = await trainVersion(lake.deps, registry, { pipeline: 'lab', model: 'long', seed })
      let written: readonly VersionKey[] | undefined
      let crashes = 0
      while (written === undefined) {
        lake.crash.set(crashes + 1, when)
        written = await writeMissingLineage(lake.deps, registry).catch((error: unknown) => {
          expect(error).toBeInstanceOf(Crash)
          return undefined
        })
        crashes += written === undefined ? 1 : 0
      }
      lake.crash.revive()
      expect(crashes).toBeGreaterThan(3)
      expect(written).toEqual([{ model: 'long', version: trained.version }])
      expect(await writeMissingLineage(lake.deps, registry)).toEqual([])
      for (const { location, sha256 } of registry.getRun(trained.runId)!.artifacts) {
        const bytes = readFileSync(toLocalPath(location))
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
      }
      const folder = join(
        toLocalPath(lake.deps.warehouse),
        'ml/models/long/versions',
        String(trained.version),
      )
      expect(readdirSync(join(folder, trained.runId, 'lineage')).sort()).toEqual([
        'complete_lineage.json',
        'reproduce.sh',
      ])
    },
  )
})
