import { describe, expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { compactTable } from '../../iceberg/maintain/compact.js'
import { rewriteManifests } from '../../iceberg/maintain/rewrite-manifests.js'
import { RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }

async function lakeOf(appends: number): Promise<RowLake> {
  const lake = new RowLake()
  await lake.create(T)
  for (let at = 0; at < appends; at += 1) await lake.append(T, [`r${at}`], at % 3)
  return lake
}

function rewrite(lake: RowLake, more: Partial<Parameters<typeof rewriteManifests>[0]> = {}) {
  const { catalog, now, newUuid, newSnapshotId } = lake
  return rewriteManifests({ catalog, identifier: T, now, newUuid, newSnapshotId, ...more })
}

describe('a rewrite of manifests', () => {
  it('joins many small ones and changes no row; done again, or as a dry run, it does nothing', async () => {
    const lake = await lakeOf(12)
    const before = await lake.rows(T)
    const expected = await rewrite(lake, { dryRun: true })
    expect((await lake.catalog.loadTable(T)).metadata.snapshots).toHaveLength(12)
    expect(await rewrite(lake)).toEqual(expected)
    expect(expected).toMatchObject({
      rewrittenManifests: 12,
      addedManifests: 1,
      plan: { reason: 'too-many' },
    })
    expect(await lake.rows(T)).toEqual(before)
    expect(await rewrite(lake)).toMatchObject({ rewrittenManifests: 0 })
  })

  it('leaves a few alone', async () => {
    const lake = await lakeOf(4)
    expect(await rewrite(lake)).toMatchObject({ rewrittenManifests: 0, plan: { manifests: 4 } })
    expect(await rewrite(lake, { always: true })).toMatchObject({ rewrittenManifests: 4, addedManifests: 1 })
  })

  it('has nothing to do after a compaction, which leaves manifests of removed files only', async () => {
    const lake = await lakeOf(12)
    const { catalog, now, newUuid, newSnapshotId, rewriter } = lake
    await compactTable({ catalog, identifier: T, now, newUuid, newSnapshotId, rewriter, minInputFiles: 2 })
    expect(await rewrite(lake)).toMatchObject({ rewrittenManifests: 0, plan: { manifests: 1 } })
  })
})
