import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { alwaysTrue } from '../../iceberg/expr/expression.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { filesOf, reachableManifests } from '../../iceberg/maintain/reachable-files.js'
import { rewriteManifests } from '../../iceberg/maintain/rewrite-manifests.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { DAY_MS, RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }

const KINDS = [
  ...(['append', 'append', 'overwrite', 'delete-rows', 'delete-file', 'upsert', 'compact'] as const),
  ...(['manifests', 'branch', 'tag', 'drop-ref', 'expire'] as const),
] as const
type Kind = (typeof KINDS)[number]

it('leaves no file behind of what it expired, whatever wrote it, and takes none that is needed', async () => {
  const step = fc.record({ kind: fc.constantFrom<Kind>(...KINDS), partition: fc.nat(1) })
  const history = fc.array(step, { minLength: 3, maxLength: 14 })
  await fc.assert(
    fc.asyncProperty(history, fc.nat(4), async (steps, mergeAt) => {
      const lake = new RowLake()
      await lake.create(T, { properties: { 'commit.manifest.min-count-to-merge': String(1 + mergeAt) } })
      const named = new Set<string>()
      for (const [at, { kind, partition }] of steps.entries()) {
        await act(lake, kind, partition, `r${at}`)
        for (const file of await needed(lake)) named.add(file)
        lake.nowMs += DAY_MS
      }
      const rows = await lake.rows(T)
      await expire(lake, 3)
      expect(await lake.rows(T)).toEqual(rows)
      await dropRefs(lake)
      await expire(lake, 0)
      expect(await lake.rows(T)).toEqual(rows)
      // What no snapshot ever named, as a manifest that its own commit merged, is an orphan.
      const left = (await lake.files()).filter((file) => named.has(file))
      expect(left).toEqual(await needed(lake))
    }),
    { numRuns: 80 },
  )
})

it('keeps a file that was taken out and added again when the snapshot that took it out goes', async () => {
  const lake = new RowLake()
  await lake.create(T)
  const file = await lake.write(T, ['a'])
  await lake.commit(T, { kind: 'append', files: [file] })
  const middle = await removeFiles(lake, () => true)
  await lake.commit(T, { kind: 'append', files: [file] })
  const { catalog, nowMs } = lake
  await expireSnapshots({ catalog, identifier: T, nowMs, snapshotIds: [middle!] })
  expect(await lake.rows(T)).toEqual(['a'])
})

async function act(lake: RowLake, kind: Kind, partition: number, name: string): Promise<void> {
  const { catalog, now, newUuid, newSnapshotId, rewriter } = lake
  const common = { catalog, identifier: T, now, newUuid, newSnapshotId, rewriter }
  const { metadata } = await catalog.loadTable(T)
  const isEmpty = metadata.snapshots.length === 0
  if (kind === 'append') await lake.append(T, [name, `${name}b`], partition)
  else if (kind === 'overwrite') await lake.overwrite(T, [name], partition)
  else if (kind === 'delete-rows') await lake.deleteRows(T, (await lake.rows(T)).slice(0, 2), partition)
  else if (kind === 'delete-file') await removeFiles(lake, (at) => at === partition)
  else if (kind === 'upsert') await lake.upsertBlindly(T, { deletes: ['r0'], adds: [name] }, partition)
  else if (kind === 'compact') await compactTable({ ...common, minInputFiles: 2 })
  else if (kind === 'manifests') await rewriteManifests({ ...common, always: true })
  else if (kind === 'branch') {
    const files = [await lake.write(T, [name], partition)]
    if (!isEmpty) await lake.commit(T, { kind: 'append', files }, { branch: name })
    else await lake.commit(T, { kind: 'append', files })
  } else if (kind === 'tag') {
    if (metadata.refs['main'] !== undefined) await lake.refs(T, { kind: 'create-tag', name })
  } else if (kind === 'drop-ref') await dropRefs(lake, 1)
  else await expire(lake, 2)
}

async function dropRefs(lake: RowLake, most = Infinity): Promise<void> {
  const { refs } = (await lake.catalog.loadTable(T)).metadata
  const names = Object.keys(refs).filter((name) => name !== 'main')
  for (const name of names.slice(0, most)) await lake.refs(T, { kind: 'drop', name })
}

/** As an engine deletes what makes up whole files: by metadata alone. */
async function removeFiles(lake: RowLake, which: (at: number) => boolean) {
  const { metadata } = await lake.catalog.loadTable(T)
  const { tasks } = await planScan({ metadata, io: lake.io })
  const removed = tasks.map(({ file }) => file).filter((_, at) => which(at))
  if (removed.length === 0) return undefined
  return lake.commit(T, {
    ...{ kind: 'row-delta', removed, added: [], deletes: [], deletedFrom: [], filter: alwaysTrue },
    isolation: 'snapshot',
    basis: metadata['current-snapshot-id'] ?? null,
  })
}

async function expire(lake: RowLake, days: number): Promise<void> {
  const { catalog, nowMs } = lake
  await expireSnapshots({ catalog, identifier: T, nowMs, maxSnapshotAgeMs: days * DAY_MS - 1 })
}

/** Manifest lists, manifests and live files that any snapshot names. */
async function needed(lake: RowLake): Promise<readonly string[]> {
  const { metadata } = await lake.catalog.loadTable(T)
  const { manifestLists, manifests } = await reachableManifests(lake.io, metadata, metadata.snapshots)
  const files = await filesOf(lake.io, metadata, manifests.values(), { live: true })
  return [...manifestLists, ...manifests.keys(), ...files.keys()].sort()
}
