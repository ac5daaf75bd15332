import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { openSqliteCatalog } from '../../iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../iceberg/io/local.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { NEVER_EXPIRES_MS, toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import { openModelRegistry, type ModelRegistry } from '../../ml/registry/model-registry.js'
import {
  deleteVersion,
  registerVersion,
  settleVersions,
  type RegisterDeps,
} from '../../ml/registry/register-version.js'
import { trainedVersion } from './support/trained-version.js'

const TABLES: readonly TableIdentifier[] = [
  { namespace: 'f', name: 'left' },
  { namespace: 'f', name: 'right' },
]
const PINNED = ['101', '102']
const FREE = [undefined, undefined]
let folder: string
let path: string
let registry: ModelRegistry
let catalog: Catalog
let deps: RegisterDeps

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firn-registry-'))
  path = join(folder, 'registry.db')
  registry = openModelRegistry({ path })
  let [clock, ids] = [Date.UTC(2026, 6, 1), 0]
  const now = () => ++clock
  const newUuid = () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`
  const io = new MemoryFileIO({ now })
  catalog = new MemoryCatalog({ name: 'firn', warehouse: 'memory://w', io, now, newUuid })
  deps = { catalog, now, newUuid }
  await createTables(catalog, deps)
})
afterEach(() => {
  registry.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Two tables, each with the snapshots 101 / 102 and 201 / 202. */
async function createTables(of: Catalog, { now, newUuid }: Omit<RegisterDeps, 'catalog'>): Promise<void> {
  await of.createNamespace('f')
  const schema = { type: 'struct', 'schema-id': 0, fields: [] } as const
  for (const identifier of TABLES) await of.createTable({ identifier, schema })
  for (const round of [100, 200]) {
    const changes = TABLES.map((identifier, at) => ({
      identifier,
      snapshotId: toSnapshotId(round + at + 1),
      change: {
        kind: 'append' as const,
        files: [
          {
            ...{ content: 'data' as const, filePath: `memory://w/${round}-${at}.parquet`, specId: 0 },
            ...{ fileFormat: 'parquet' as const, partition: [], recordCount: 1, fileSizeInBytes: 10 },
          },
        ],
      },
    }))
    await commitTransaction({ catalog: of, changes, now, newUuid })
  }
}

/** Snapshot ids that the tag of a version points to, by table; absent where there is no such tag. */
async function tagged(version: number, model = 'm'): Promise<(string | undefined)[]> {
  const tables = await catalog.loadTables(TABLES)
  const name = `model-${model}-${version}-data`
  return tables.map(({ metadata }) => metadata.refs[name]?.['snapshot-id'].toString())
}

/** Nothing is halfway: READY versions have all their tags, for ever, and no other tag of a model is there. */
async function expectWhole(reopened: ModelRegistry, of: Catalog = catalog): Promise<void> {
  const versions = reopened.list()
  expect(versions.filter(({ state }) => state !== 'READY')).toEqual([])
  for (const { identifier, metadata } of await of.loadTables(TABLES)) {
    const expected = versions.map((version) => [
      `model-${version.model}-${version.version}-data`,
      version.pin.snapshots[`f.${identifier.name}`],
      NEVER_EXPIRES_MS,
    ])
    const found = Object.entries(metadata.refs)
      .filter(([name]) => name.startsWith('model-'))
      .map(([name, ref]) => [name, String(ref['snapshot-id']), ref['max-ref-age-ms']])
    expect(found.sort()).toEqual(expected.sort())
  }
}

describe('registering a version', () => {
  test('tags every input at its pinned snapshot, for ever, and only then is it READY', async () => {
    const ready = await registerVersion(deps, registry, trainedVersion())
    expect(ready).toMatchObject({ ...trainedVersion(), model: 'm', version: 1, state: 'READY' })
    expect(await tagged(1)).toEqual(PINNED)
    expect(registry.newestReady('m')).toMatchObject({ ...trainedVersion(), version: 1, state: 'READY' })
    await expectWhole(registry)
  })

  test('gives the same training the same number, and another training the next', async () => {
    const register = async (changes?: Parameters<typeof trainedVersion>[0]): Promise<number> =>
      (await registerVersion(deps, registry, trainedVersion(changes))).version
    expect(await register()).toBe(1)
    const { tag, ...rest } = trainedVersion().pin
    const snapshots = { 'f.right': '102', 'f.left': '101' }
    expect(await register({ pin: { ...rest, snapshots, tag }, runId: 'again' })).toBe(1)
    expect(registry.getVersion({ model: 'm', version: 1 })?.runId).toBe('run-0')
    expect(await register({ pin: { seed: 1 } })).toBe(2)
    expect(await register({ trained: { weightsDigest: 'other' } })).toBe(3)
    expect(await register({ dataset: { digest: 'other' } })).toBe(4)
    expect(await register({ pin: { pipeline: 'q' } })).toBe(5)
    expect(await register({ pin: { model: 'n' } })).toBe(1)
    expect(registry.list('m').map(({ version }) => version)).toEqual([5, 4, 3, 2, 1])
    expect(registry.list().map(({ model }) => model)).toEqual(['m', 'm', 'm', 'm', 'm', 'n'])
    await expectWhole(registry)
  })

  test('is freed when an input is gone: the number is not given again', async () => {
    const lost = trainedVersion({ pin: { snapshots: { 'f.left': '101', 'f.right': '999' } } })
    await expect(registerVersion(deps, registry, lost)).rejects.toThrow(/an input of version 1 .* is gone/)
    expect(await tagged(1)).toEqual(FREE)
    expect(registry.list()).toEqual([])
    expect((await registerVersion(deps, registry, trainedVersion())).version).toBe(2)
  })

  test('skips numbers that tags in the lake still name after the registry was lost, and leaves those tags', async () => {
    const [, right] = TABLES
    const change = { kind: 'create-tag', name: 'model-m-1-data', snapshotId: toSnapshotId(202) } as const
    await changeRefs({ ...deps, tables: [{ identifier: right!, changes: [change] }] })
    expect((await registerVersion(deps, registry, trainedVersion())).version).toBe(2)
    await settleVersions(deps, registry)
    await deleteVersion(deps, registry, { model: 'm', version: 1 })
    expect(await tagged(1)).toEqual([undefined, '202'])
    expect(await tagged(2)).toEqual(PINNED)
  })
})

describe('deleting a version', () => {
  test('frees its inputs and forgets nothing of what it was', async () => {
    const key = { model: 'm', version: (await registerVersion(deps, registry, trainedVersion())).version }
    const by = { by: 'ada', forced: false, atMs: 5 }
    registry.setAlias({ ...key, alias: 'champion', ...by })
    await expect(deleteVersion(deps, registry, key)).rejects.toMatchObject({
      kind: 'invalid-input',
      message: expect.stringContaining('firn models alias delete m champion'),
    })
    expect(registry.getVersion(key)).toBeDefined()
    expect(await tagged(1)).toEqual(PINNED)
    registry.deleteAlias({ model: 'm', alias: 'champion', ...by, atMs: 6 })
    await deleteVersion(deps, registry, key)
    await deleteVersion(deps, registry, key)
    expect(registry.getVersion(key)).toBeUndefined()
    expect(registry.list()).toEqual([])
    expect(await tagged(1)).toEqual(FREE)
    expect(registry.findVersion(key)).toMatchObject({ ...trainedVersion(), state: 'DELETED' })
    expect(registry.aliasHistory('m')).toHaveLength(2)
    expect((await registerVersion(deps, registry, trainedVersion())).version).toBe(2)
  })

  test('works where an input table is gone by now', async () => {
    await registerVersion(deps, registry, trainedVersion())
    await catalog.dropTable(TABLES[0]!)
    await deleteVersion(deps, registry, { model: 'm', version: 1 })
    expect(registry.list()).toEqual([])
    const { metadata } = await catalog.loadTable(TABLES[1]!)
    expect(Object.keys(metadata.refs)).toEqual(['main'])
  })

  test('while it is registered leaves no tag behind', async () => {
    for (const settle of [false, true]) {
      const pending = registry.reserve(trainedVersion(), 1)
      const racing = {
        ...deps,
        catalog: before(catalog, () => deleteVersion(deps, registry, pending)),
      }
      if (settle) await settleVersions(racing, registry)
      else {
        await expect(registerVersion(racing, registry, trainedVersion())).rejects.toMatchObject({
          kind: 'training-failed',
        })
      }
      expect(registry.list()).toEqual([])
      await expectWhole(registry)
    }
  })

  test('while it is registered by a process that then dies: settling frees what was tagged', async () => {
    const pending = registry.reserve(trainedVersion(), 1)
    const crash = new CrashAt(1, 'after')
    const racing = crash.around(
      before(catalog, () => deleteVersion(deps, registry, pending)),
      ['commit'],
    )
    await expect(registerVersion({ ...deps, catalog: racing }, registry, trainedVersion())).rejects.toThrow(
      'crashed',
    )
    expect(await tagged(1)).toEqual(PINNED)
    expect(await settleVersions(deps, registry)).toEqual([{ model: 'm', version: 1 }])
    await expectWhole(registry)
    expect(await settleVersions(deps, registry)).toEqual([])
  })
})

describe('settling', () => {
  test('finishes what was PENDING, and frees what cannot be finished', async () => {
    registry.reserve(trainedVersion(), 1)
    registry.reserve(trainedVersion({ pin: { seed: 1, snapshots: { 'f.left': '999' } } }), 1)
    expect(registry.newestReady('m')).toBeUndefined()
    expect(await settleVersions(deps, registry)).toHaveLength(2)
    expect(registry.list().map(({ version, state }) => [version, state])).toEqual([[1, 'READY']])
    await expectWhole(registry)
  })

  test('frees a version whose inputs expire while they are tagged', async () => {
    const racing = {
      ...deps,
      catalog: before(catalog, async () => {
        for (const [at, identifier] of TABLES.entries()) {
          const updates = [
            { action: 'remove-snapshots', 'snapshot-ids': [toSnapshotId(PINNED[at]!)] },
          ] as const
          await catalog.commit([{ identifier, requirements: [], updates }])
        }
      }),
    }
    const registering = registerVersion(racing, registry, trainedVersion())
    await expect(registering).rejects.toMatchObject({ kind: 'not-found' })
    await expectWhole(registry)
  })
})

describe('a crash at any call', () => {
  const STEPS = { registry: ['reserve', 'move'], catalog: ['loadTables', 'loadTable', 'commit'] }

  test.each(['before', 'after'] as const)(
    '%s it: registering again gives one version, its tags whole',
    async (when) => {
      let [step, isDone] = [0, false]
      while (!isDone) {
        step += 1
        const seed = step
        const crash = new CrashAt(step, when)
        isDone = await registerVersion(
          { ...deps, catalog: crash.around(catalog, STEPS.catalog) },
          crash.around(registry, STEPS.registry),
          trainedVersion({ pin: { seed } }),
        ).then(
          () => true,
          () => false,
        )
        // Until a second attempt nothing resolves that has not all its tags.
        for (const { version, state } of registry.list())
          if (state === 'READY') expect(await tagged(version)).toEqual(PINNED)
        registry.close()
        registry = openModelRegistry({ path })
        const { version } = await registerVersion(deps, registry, trainedVersion({ pin: { seed } }))
        expect(registry.getVersion({ model: 'm', version })?.pin.seed).toBe(seed)
        expect(registry.list().filter(({ pin }) => pin.seed === seed)).toHaveLength(1)
        await expectWhole(registry)
      }
      expect(step).toBeGreaterThan(4)
    },
  )

  test.each(['before', 'after'] as const)('%s it: settling finishes or frees', async (when) => {
    let [step, isDone] = [0, false]
    while (!isDone) {
      step += 1
      const key = registry.reserve(trainedVersion({ pin: { seed: 1000 + step } }), 1)
      const kept = await registerVersion(deps, registry, trainedVersion({ pin: { seed: 2000 + step } }))
      const crash = new CrashAt(step, when)
      const dying = { ...deps, catalog: crash.around(catalog, STEPS.catalog) }
      const flaky = crash.around(registry, STEPS.registry)
      isDone = await deleteVersion(dying, flaky, key)
        .then(() => registerVersion(dying, flaky, trainedVersion({ pin: { seed: 3000 + step } })))
        .then(
          () => true,
          () => false,
        )
      registry.close()
      registry = openModelRegistry({ path })
      await settleVersions(deps, registry)
      await expectWhole(registry)
      expect(registry.getVersion(kept)).toBeDefined()
    }
    expect(step).toBeGreaterThan(7)
  })

  test('a lost answer to a commit is looked for, not repeated', async () => {
    let lost = 0
    const losing = new Proxy(catalog, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (name !== 'commit') return value.bind(target) as unknown
        return async (commits: Parameters<Catalog['commit']>[0]) => {
          const answer = await target.commit(commits)
          if (lost++ % 2 === 1) return answer
          const { IcebergError } = await import('../../iceberg/error.js')
          throw new IcebergError('commit-unknown', 'the answer was lost')
        }
      },
    })
    const key = await registerVersion({ ...deps, catalog: losing }, registry, trainedVersion())
    await expectWhole(registry)
    await deleteVersion({ ...deps, catalog: losing }, registry, key)
    await expectWhole(registry)
    expect(lost).toBeGreaterThan(2)
  })
})

test('processes that register, delete and settle at once, one of them killed again and again, agree', async () => {
  const options = { now: Date.now, newUuid: randomUUID }
  const shared = openSqliteCatalog({
    ...{ path: join(folder, 'catalog.db'), name: 'firn', warehouse: `file://${folder}/warehouse` },
    ...{ io: new LocalFileIO(), ...options },
  })
  await createTables(shared, options)
  const [steady] = [run(folder, 12), await run(folder, 12, 150), await run(folder, 12, 60)]
  expect(await steady).toBe(0)
  expect(await run(folder, 12)).toBe(0)
  await settleVersions({ catalog: shared, ...options }, registry)
  await expectWhole(registry, shared)
  // Each third training was deleted; the others are there once.
  expect(
    registry
      .list()
      .map(({ pin }) => pin.seed)
      .sort((a, b) => a - b),
  ).toEqual([1, 2, 4, 5, 7, 8, 10, 11])
  shared.close()
})

/** Registers `count` trainings and deletes each third; resolves to the exit code, null where it was killed. */
function run(directory: string, count: number, killAfterMs?: number): Promise<number | null> {
  const script = join(import.meta.dirname, '../support/register-process.mjs')
  const child = spawn(process.execPath, [script, directory, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (killAfterMs !== undefined)
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), killAfterMs))
  return new Promise((resolve) => child.once('close', resolve))
}

/** Dies at the nth call of those named, before or after it took effect; from then on nothing answers. */
class CrashAt {
  #calls = 0
  readonly #at: number
  readonly #when: 'before' | 'after'

  constructor(at: number, when: 'before' | 'after') {
    this.#at = at
    this.#when = when
  }

  around<T extends Catalog | ModelRegistry>(target: T, names: readonly string[]): T {
    return new Proxy(target, {
      get: (_, key) => {
        const value = Reflect.get(target, key, target) as unknown
        if (typeof value !== 'function') return value
        const call = value.bind(target) as (...args: unknown[]) => unknown
        return names.includes(String(key)) ? (...args: unknown[]) => this.#step(() => call(...args)) : call
      },
    })
  }

  #step(call: () => unknown): unknown {
    const n = ++this.#calls
    if (n > this.#at || (n === this.#at && this.#when === 'before')) throw new Error('crashed')
    const result = call()
    if (n !== this.#at) return result
    if (!(result instanceof Promise)) throw new Error('crashed')
    return result.then(() => {
      throw new Error('crashed')
    })
  }
}

/** Does something right before the first commit. */
function before(inner: Catalog, action: () => Promise<unknown>): Catalog {
  let isFirst = true
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const call = value.bind(target) as (...of: unknown[]) => unknown
      if (name !== 'commit') return call
      return async (...of: unknown[]) => {
        if (isFirst) {
          isFirst = false
          await action()
        }
        return call(...of)
      }
    },
  })
}
