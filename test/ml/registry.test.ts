import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { MemoryCatalog } from '../../iceberg/catalog/memory.js'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import { NEVER_EXPIRES_MS, toSnapshotId } from '../../iceberg/spec/snapshot.js'
import { changeRefs } from '../../iceberg/write/refs.js'
import { commitTransaction } from '../../iceberg/write/transaction.js'
import {
  deleteModel,
  registerModel,
  settleRegistry,
  type RegisterDeps,
} from '../../ml/registry/register-model.js'
import { openRegistry, type Registry, type TrainedVersion } from '../../ml/registry/registry.js'

const TABLES: readonly TableIdentifier[] = [
  { namespace: 'f', name: 'left' },
  { namespace: 'f', name: 'right' },
]
const PINNED = ['101', '102']
let folder: string
let path: string
let catalog: Catalog
let deps: RegisterDeps

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firn-registry-'))
  path = join(folder, 'registry.db')
  let [clock, ids] = [Date.UTC(2026, 6, 1), 0]
  const now = () => ++clock
  const newUuid = () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`
  catalog = new MemoryCatalog({
    name: 'firn',
    warehouse: 'memory://w',
    io: new MemoryFileIO({ now }),
    now,
    newUuid,
  })
  deps = { catalog, now, newUuid }
  await catalog.createNamespace('f')
  const schema = { type: 'struct', 'schema-id': 0, fields: [] } as const
  for (const identifier of TABLES) await catalog.createTable({ identifier, schema })
  for (const round of [100, 200]) {
    const changes = TABLES.map((identifier, at) => ({
      identifier,
      snapshotId: toSnapshotId(round + at + 1),
      change: { kind: 'append' as const, files: [dataFile(`memory://w/${round}-${at}.parquet`)] },
    }))
    await commitTransaction({ catalog, changes, now, newUuid })
  }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function dataFile(filePath: string): DataFile {
  return {
    ...{ content: 'data', filePath, fileFormat: 'parquet', specId: 0, partition: [] },
    ...{ recordCount: 1, fileSizeInBytes: 10 },
  }
}

function training(seed = 0, weightsDigest = 'w0'): TrainedVersion {
  const metrics = { auc: 0.7, f1: 0.6, logLoss: 0.5 }
  return {
    pin: {
      ...{ pipeline: 'p', model: 'm', tag: 'v_x', seed },
      snapshots: Object.fromEntries(TABLES.map(({ name }, at) => [`f.${name}`, PINNED[at]!])),
    },
    dataset: { location: 'memory://d', rows: 3, features: 2, digest: 'd' },
    trained: {
      ...{ artifactLocation: 'memory://a', weightsDigest, metrics, baseline: metrics, folds: [] },
      ...{ backend: 'tfjs-node', epochs: 1 },
    },
  }
}

/** Snapshot ids that the tag of a version points to, by table; absent where there is no such tag. */
async function tagged(version: number): Promise<(string | undefined)[]> {
  const tables = await catalog.loadTables(TABLES)
  return tables.map(({ metadata }) => metadata.refs[`model-m-${version}-data`]?.['snapshot-id'].toString())
}

describe('registering a model', () => {
  test('tags every input at its pinned snapshot, for ever, and only then is the version READY', async () => {
    const registry = openRegistry({ path })
    expect(await registerModel(deps, registry, training())).toBe(1)
    expect(await tagged(1)).toEqual(PINNED)
    const { metadata } = await catalog.loadTable(TABLES[0]!)
    expect(metadata.refs['model-m-1-data']?.['max-ref-age-ms']).toBe(NEVER_EXPIRES_MS)
    expect(registry.newestReady('p', 'm')).toMatchObject({ ...training(), version: 1, state: 'READY' })
    registry.close()
  })

  test('gives the same training the same number, and another training the next', async () => {
    const registry = openRegistry({ path })
    expect(await registerModel(deps, registry, training())).toBe(1)
    const reordered = {
      ...training(),
      pin: { ...training().pin, snapshots: { 'f.right': '102', 'f.left': '101' } },
    }
    expect(await registerModel(deps, registry, reordered)).toBe(1)
    expect(await registerModel(deps, registry, training(1, 'w1'))).toBe(2)
    expect(registry.newestReady('p', 'm')?.version).toBe(2)
    expect(registry.list({ model: 'm' }).map(({ version }) => version)).toEqual([2, 1])
    registry.close()
  })

  test('goes on after a crash at any step: one version, its tags whole', async () => {
    for (const when of ['before', 'after'] as const) {
      for (let step = 1; ; step += 1) {
        const registry = openRegistry({ path })
        const seed = 1000 * (when === 'after' ? 1 : 0) + step
        const crash = new CrashAt(step, when)
        const dying = registerModel(
          { ...deps, catalog: crash.around(catalog, ['loadTables', 'commit']) },
          crash.around(registry, ['reserve', 'move']),
          training(seed),
        )
        const survived = await dying.then(
          () => true,
          () => false,
        )
        // Until a second attempt nothing resolves that has not all its tags.
        const ready = registry.newestReady('p', 'm')
        if (ready !== undefined) expect(await tagged(ready.version)).toEqual(PINNED)
        registry.close()
        const reopened = openRegistry({ path })
        const version = await registerModel(deps, reopened, training(seed))
        expect(reopened.getVersion({ pipeline: 'p', model: 'm', version })?.pin.seed).toBe(seed)
        expect(await tagged(version)).toEqual(PINNED)
        expect(reopened.list().filter(({ pin }) => pin.seed === seed)).toHaveLength(1)
        reopened.close()
        if (survived) {
          expect(step).toBeGreaterThan(4)
          break
        }
      }
    }
  })

  test('is freed when an input is gone: the number is not given again', async () => {
    const registry = openRegistry({ path })
    const gone = training()
    const lost = { ...gone, pin: { ...gone.pin, snapshots: { ...gone.pin.snapshots, 'f.right': '999' } } }
    await expect(registerModel(deps, registry, lost)).rejects.toThrow(/an input of version 1 .* is gone/)
    expect(await tagged(1)).toEqual([undefined, undefined])
    expect(registry.list()).toEqual([])
    expect(await registerModel(deps, registry, training())).toBe(2)
    registry.close()
  })

  test('skips numbers that tags in the lake still name after the registry was lost', async () => {
    const { now, newUuid } = deps
    await changeRefs({
      ...{ catalog, now, newUuid },
      tables: [
        {
          identifier: TABLES[1]!,
          changes: [{ kind: 'create-tag', name: 'model-m-1-data', snapshotId: toSnapshotId(202) }],
        },
      ],
    })
    const registry = openRegistry({ path })
    expect(await registerModel(deps, registry, training())).toBe(2)
    expect(await tagged(1)).toEqual([undefined, '202'])
    registry.close()
  })
})

describe('deleting and settling', () => {
  test('a deleted version no longer resolves and its inputs are free, also when the deletion crashed', async () => {
    const registry = openRegistry({ path })
    const key = { pipeline: 'p', model: 'm', version: await registerModel(deps, registry, training()) }
    const crash = new CrashAt(1, 'after')
    const crashing = { ...deps, catalog: crash.around(catalog, ['commit']) }
    await expect(deleteModel(crashing, registry, key)).rejects.toThrow('crashed')
    expect(registry.getVersion(key)).toBeUndefined()
    expect(await settleRegistry(deps, registry)).toEqual([key])
    expect(await tagged(1)).toEqual([undefined, undefined])
    expect(registry.list()).toEqual([])
    await deleteModel(deps, registry, key)
    registry.close()
  })

  test('a version deleted while it is registered leaves no tag behind', async () => {
    for (const settle of [false, true]) {
      const registry = openRegistry({ path })
      const pending = registry.reserve(training(), 1)
      const racing = {
        ...deps,
        catalog: before(catalog, 'commit', () => deleteModel(deps, registry, pending)),
      }
      if (settle) await settleRegistry(racing, registry)
      else {
        await expect(registerModel(racing, registry, training())).rejects.toMatchObject({
          kind: 'training-failed',
        })
      }
      expect(registry.list()).toEqual([])
      expect(await tagged(pending.version)).toEqual([undefined, undefined])
      registry.close()
    }
  })

  test('deleting keeps the tag that a version of another pipeline shares', async () => {
    const registry = openRegistry({ path })
    const twin = { ...training(), pin: { ...training().pin, pipeline: 'q' } }
    const version = await registerModel(deps, registry, training())
    expect(await registerModel(deps, registry, twin)).toBe(version)
    await deleteModel(deps, registry, { pipeline: 'p', model: 'm', version })
    expect(registry.getVersion({ pipeline: 'q', model: 'm', version })).toBeDefined()
    expect(await tagged(version)).toEqual(PINNED)
    await deleteModel(deps, registry, { pipeline: 'q', model: 'm', version })
    expect(await tagged(version)).toEqual([undefined, undefined])
    registry.close()
  })

  test('a version whose inputs expire while they are tagged is freed', async () => {
    const registry = openRegistry({ path })
    const racing = {
      ...deps,
      catalog: before(catalog, 'commit', async () => {
        for (const [at, identifier] of TABLES.entries()) {
          const updates = [
            { action: 'remove-snapshots', 'snapshot-ids': [toSnapshotId(PINNED[at]!)] },
          ] as const
          await catalog.commit([{ identifier, requirements: [], updates }])
        }
      }),
    }
    await expect(registerModel(racing, registry, training())).rejects.toMatchObject({ kind: 'not-found' })
    expect(registry.list()).toEqual([])
    registry.close()
  })

  test('settling finishes what was PENDING, and frees what cannot be finished', async () => {
    const registry = openRegistry({ path })
    registry.reserve(training(), 1)
    const lost = training(1)
    registry.reserve({ ...lost, pin: { ...lost.pin, snapshots: { 'f.left': '999' } } }, 1)
    expect(registry.newestReady('p', 'm')).toBeUndefined()
    expect(await settleRegistry(deps, registry)).toHaveLength(2)
    expect(registry.list().map(({ version, state }) => [version, state])).toEqual([[1, 'READY']])
    expect(await tagged(1)).toEqual(PINNED)
    registry.close()
  })
})

/** Dies at the nth call of those named, before or after it took effect; from then on nothing answers. */
class CrashAt {
  #calls = 0
  readonly #at: number
  readonly #when: 'before' | 'after'

  constructor(at: number, when: 'before' | 'after') {
    this.#at = at
    this.#when = when
  }

  around<T extends Catalog | Registry>(target: T, names: readonly string[]): T {
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

/** Does something right before the first call of a method. */
function before(inner: Catalog, method: 'commit', action: () => Promise<unknown>): Catalog {
  let isFirst = true
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const call = value.bind(target) as (...of: unknown[]) => unknown
      if (name !== method) return call
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
