import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addModelsCommand } from '../../cli/commands/models.js'
import { addRunsCommand } from '../../cli/commands/runs.js'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { compareVersions } from '../../ml/registry/compare-versions.js'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import { registerVersion } from '../../ml/registry/register-version.js'
import { trainedVersion, type TrainedVersionChanges } from '../ml/support/trained-version.js'
import { runAllFirn, runFirn } from '../support/run-firn.js'
import { scriptedServer } from '../support/scripted-server.js'

const home = mkdtempSync(join(tmpdir(), 'firn-models-'))
const deps = { now: Date.now, newUuid: randomUUID }
const LEFT = { namespace: 'f', name: 'left' }
let catalog: Catalog
let registry: ModelRegistry

beforeAll(async () => {
  const warehouse = pathToFileURL(join(home, 'warehouse')).href
  catalog = openSqliteCatalog({
    ...{ path: join(home, 'catalog.db'), name: 'firn', warehouse },
    ...{ io: new LocalFileIO(), ...deps },
  })
  await catalog.createNamespace('f')
  await catalog.createTable({ identifier: LEFT, schema: { type: 'struct', 'schema-id': 0, fields: [] } })
  const file = {
    ...{ content: 'data' as const, filePath: `${warehouse}/a.parquet`, specId: 0, partition: [] },
    ...{ fileFormat: 'parquet' as const, recordCount: 1, fileSizeInBytes: 10 },
  }
  const change = { kind: 'append' as const, files: [file] }
  const changes = [{ identifier: LEFT, snapshotId: toSnapshotId(101), change }]
  await commitTransaction({ catalog, changes, ...deps })
  registry = openModelRegistry({ path: join(home, 'registry.db') })
  for (const seed of [1, 2]) await register({ pin: { seed } })
  registry.startRun({
    ...{ runId: 'run-1', experiment: 'p', model: 'm', name: 'm seed 1', startedAtMs: 1_000 },
    ...{ params: { l2: '0.5' }, tags: {} },
  })
  registry.logMetrics('run-1', [
    { key: 'loss', value: 0.5, step: 0, timestampMs: 1_500 },
    { key: 'loss', value: 0.25, step: 1, timestampMs: 1_600 },
  ])
  registry.finishRun('run-1', 'FINISHED', 3_500)
})
afterAll(() => {
  registry.close()
  catalog.close()
  rmSync(home, { recursive: true, force: true })
})

async function register({ pin, ...rest }: TrainedVersionChanges) {
  const snapshots = { 'f.left': '101' }
  const training = trainedVersion({ ...rest, pin: { snapshots, ...pin }, runId: `run-${pin?.seed ?? 0}` })
  return await registerVersion({ catalog, ...deps }, registry, training)
}

const tags = async (): Promise<string[]> => Object.keys((await catalog.loadTable(LEFT)).metadata.refs).sort()
const json = (text: string | undefined): unknown => JSON.parse(text ?? '')

describe('firn models and firn runs', () => {
  it('list and show what there is, as text and as JSON', async () => {
    const [list, listed, show, shown, runs, run, history] = await runAllFirn(
      [
        ['models', 'list'],
        ['models', 'list', 'm', '--json'],
        ['models', 'show', 'models:/m/1'],
        ['models', 'show', 'models:/m/latest', '--json'],
        ['runs', 'list', '--json'],
        ['runs', 'show', 'run-1'],
        ['runs', 'show', 'run-1', '--metric', 'loss', '--json'],
      ],
      { home },
    )
    expect(list).toMatchObject({ code: 0, stderr: '' })
    expect(list?.stdout).toMatch(/^m +2 +READY .* logistic .* m_v1 /m)
    expect(json(listed?.stdout)).toMatchObject([
      { model: 'm', version: 2, state: 'READY', aliases: [], pipeline: 'p', tag: 'v_20260701T000000Z' },
      { version: 1, metrics: { 'test/roc_auc': 0.8 } },
    ])
    expect(show?.stdout).toMatch(/test\/roc_auc +0\.8 +0\.5/)
    expect(show?.stdout).toMatch(/f\.left +101/)
    expect(json(shown?.stdout)).toMatchObject({ version: { version: 2, state: 'READY' }, aliases: [] })
    expect(json(runs?.stdout)).toMatchObject([{ runId: 'run-1', status: 'FINISHED', endedAtMs: 3_500 }])
    expect(run?.stdout).toMatch(/loss +0\.25 +1/)
    expect(json(history?.stdout)).toEqual(registry.metricHistory('run-1', 'loss'))
  })

  it('set, move and delete aliases, and tell their history', async () => {
    const by = { by: 'ada', forced: false, atMs: 1 }
    registry.setAlias({ model: 'm', alias: 'champion', version: 1, ...by })
    registry.setAlias({ model: 'm', alias: 'challenger', version: 1, ...by })
    const [moved, deleted] = await runAllFirn(
      [
        ['models', 'alias', 'set', 'm', 'champion', '2', '--reason', 'it is newer'],
        ['models', 'alias', 'delete', 'm', 'challenger', '--json'],
      ],
      { home },
    )
    expect(moved).toMatchObject({ code: 0, stderr: '' })
    expect(moved?.stdout).toContain('models:/m@champion is version 2')
    expect(deleted?.stdout).not.toContain('challenger')
    const [wrong, none, history, changes] = await runAllFirn(
      [
        ['models', 'alias', 'set', 'm', 'champion', '9'],
        ['models', 'show', 'models:/m@best'],
        ['models', 'alias', 'history', 'm'],
        ['models', 'alias', 'history', 'm', 'champion', '--json'],
      ],
      { home },
    )
    expect(wrong).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('READY versions: 1, 2') as string,
    })
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('champion (version 2)') as string })
    expect(history?.stdout).toMatch(/champion +2 .*it is newer/)
    expect(history?.stdout).toMatch(/challenger +deleted/)
    expect(json(changes?.stdout)).toMatchObject([{ version: 1 }, { version: 2, reason: 'it is newer' }])
  })

  it('delete a version that no alias names: its inputs are free, what it was stays known', async () => {
    const { version } = await register({ pin: { seed: 7 } })
    const uri = `models:/m/${version}`
    const tag = `model-m-${version}-data`
    expect(await tags()).toContain(tag)
    registry.setAlias({ model: 'm', alias: 'old', version, by: 'ada', forced: false, atMs: 1 })
    const refused = await runFirn(['models', 'delete', uri], { home })
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('alias delete m old') as string,
    })
    expect(await tags()).toContain(tag)
    registry.deleteAlias({ model: 'm', alias: 'old', by: 'ada', forced: false, atMs: 2 })
    const [deleted, absent, unnamed] = await runAllFirn(
      [
        ['models', 'delete', uri, '--json'],
        ['models', 'delete', 'models:/m/99'],
        ['models', 'delete', 'models:/m/latest'],
      ],
      { home },
    )
    expect(deleted).toMatchObject({ code: 0, stderr: '' })
    expect(json(deleted?.stdout)).toEqual({ model: 'm', version })
    expect(await tags()).not.toContain(tag)
    expect(absent).toMatchObject({ code: 2, stderr: expect.stringContaining('no version 99') as string })
    expect(unnamed).toMatchObject({ code: 2, stderr: expect.stringContaining('by its number') as string })
    const shown = await runFirn(['models', 'show', uri, '--json'], { home })
    expect(json(shown.stdout)).toMatchObject({ version: { state: 'DELETED' }, aliasHistory: [{}, {}] })
  })

  it('compare versions that were measured on the same rows, and say what differs where they were not', async () => {
    const other = await register({ pin: { seed: 8, split: 'v2' }, dataset: { testDigest: 'e'.repeat(64) } })
    const [text, data, refused] = await runAllFirn(
      [
        ['models', 'compare', 'models:/m/1', 'models:/m/2'],
        ['models', 'compare', 'models:/m/1', 'models:/m/2', '--json'],
        ['models', 'compare', 'models:/m/1', `models:/m/${other.version}`],
      ],
      { home },
    )
    expect(text?.stdout).toContain('both measured on the same 6 test rows; all other rows are the same too')
    expect(text?.stdout).toMatch(/test\/roc_auc +0\.8 +0\.8 +0 +0\.5/)
    expect(json(data?.stdout)).toMatchObject({
      ...{ a: 'models:/m/1', b: 'models:/m/2', sameRows: true, testRows: 6 },
      metrics: [{ metric: 'test/roc_auc', difference: 0 }, { metric: 'train/roc_auc' }],
    })
    expect(refused?.code).toBe(1)
    expect(refused?.stderr).toMatch(/can't be compared: their test rows differ .* split v1_80_10_10 and v2/)
  })

  it('tell an MLflow server only where one is named, and end with 1 where it fails', async () => {
    const server = await scriptedServer(() => ({ status: 401 }))
    const env = { MLFLOW_TRACKING_URI: server.uri.replace('http://', 'http://ada:word-7@') }
    const [unnamed, refused] = [
      await runFirn(['runs', 'mirror'], { home }),
      await runFirn(['runs', 'mirror', '--json'], { home, env }),
    ]
    await server.close()
    expect(unnamed).toMatchObject({ code: 1, stderr: expect.stringContaining('is not set') as string })
    expect(refused.code).toBe(1)
    expect(json(refused.stdout)).toMatchObject({ mirrored: 0, failed: [{ subject: 'run run-1' }] })
    expect(refused.stdout + refused.stderr).not.toContain('word-7')
  })

  it('say that there is nothing yet, and make nothing for that', async () => {
    const absent = join(home, 'absent')
    const [models, runs, show, history] = await runAllFirn(
      [
        ['models', 'list', '--json'],
        ['runs', 'list', '--json'],
        ['models', 'show', 'models:/m/1'],
        ['models', 'alias', 'history', 'm', '--json'],
      ],
      { home: absent },
    )
    expect([models?.stdout, runs?.stdout, history?.stdout]).toEqual(['[]\n', '[]\n', '[]\n'])
    expect(show).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no model is registered') as string,
    })
    expect(existsSync(absent)).toBe(false)
  })
})

describe('comparing versions', () => {
  it('says how sure a difference is where predictions of the test rows are kept', async () => {
    const [a, b] = [await register({ pin: { seed: 1 } }), await register({ pin: { seed: 2 } })]
    const labels = Float64Array.from({ length: 60 }, (_, i) => i % 2)
    const good = labels.map((label, i) => (i % 7 === 0 ? 1 - label : label) * 0.8 + 0.1)
    const poor = labels.map((_, i) => (i % 10) / 10)
    const compared = await compareVersions(a, b, (version) =>
      Promise.resolve({ labels, classes: 2, predictions: version.version === a.version ? good : poor }),
    )
    const [first, second] = compared.metrics
    expect(first).toMatchObject({ metric: 'test/roc_auc', paired: { rounds: 2000 } })
    expect(first!.paired!.low).toBeGreaterThan(0)
    expect(second!.paired).toBeUndefined()
  })

  it.each<[string, TrainedVersionChanges, RegExp]>([
    [
      'other labels',
      {
        dataset: {
          digest: 'other',
          testDigest: 'x'.repeat(64),
          fingerprints: { 'label view m_label': 'other' },
        },
      },
      /the labels m_label were defined otherwise/,
    ],
    [
      'another task',
      { pin: { settings: { task: 'regression' } } },
      /one is a binary-classification, the other/,
    ],
    [
      'other data',
      { pin: { tag: 'v_2', snapshots: { 'f.left': '7' } }, dataset: { testDigest: 'x'.repeat(64) } },
      /tag v_20260701T000000Z and v_2; f\.left at snapshot 101 and 7; f\.right at snapshot 102 and none/,
    ],
  ])('refuses %s', async (_, changes, message) => {
    const path = join(home, `${randomUUID()}.db`)
    const store = openModelRegistry({ path })
    const [a, b] = [store.reserve(trainedVersion(), 1), store.reserve(trainedVersion(changes), 1)]
    store.close()
    await expect(compareVersions(a, b)).rejects.toMatchObject({
      kind: 'check-failed',
      message: expect.stringMatching(message) as string,
    })
  })
})

it('docs/registry.md names commands, arguments and options that there are', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/registry.md'), 'utf8')
  const lines = [...text.matchAll(/^(?:[A-Z_]+=\S+ )?firn ((?:models|runs) .*)$/gm)].map(([, line]) => line!)
  expect(lines.length).toBeGreaterThan(10)
  for (const line of lines) {
    const program = new Command()
    addModelsCommand(program)
    addRunsCommand(program)
    let command = program
    const words = line.match(/"[^"]*"|\S+/g)!
    while (command.commands.length > 0) {
      const name = words.shift()
      command = command.commands.find((sub) => sub.name() === name)!
      expect(command, line).toBeDefined()
    }
    // Parsed as it would be, but nothing is done.
    command.exitOverride().action(() => undefined)
    expect(() => command.parse(words, { from: 'user' }), line).not.toThrow()
  }
})
