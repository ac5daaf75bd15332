import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { readManifestEntries, readManifests } from '../../iceberg/scan/manifests.js'
import { headOf } from '../../iceberg/spec/refs.js'
import { clusterManifests } from '../../iceberg/write/cluster-manifests.js'
import { ManifestFiles } from '../../iceberg/write/manifest-files.js'
import { RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }

it('clusters in several passes, few entries in memory, as it does in one: every live file once, partitions in order', async () => {
  const partitions = fc.array(fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }), {
    minLength: 2,
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(partitions, fc.integer({ min: 1, max: 6 }), async (commits, maxEntriesHeld) => {
      const lake = new RowLake()
      await lake.create(T)
      for (const [at, commit] of commits.entries()) {
        const files = await Promise.all(commit.map((partition) => lake.write(T, [`r${at}`], partition)))
        await lake.commit(T, { kind: 'append', files })
      }
      const { metadata } = await lake.catalog.loadTable(T)
      const manifests = await readManifests(lake.io, metadata, headOf(metadata)!)
      const snapshotId = lake.newSnapshotId()
      const clustered = async (held: number) => {
        const files = new ManifestFiles(lake.io, lake.newUuid)
        // Of three entries each, or so.
        const targetSizeBytes = Math.ceil(manifests[0]!.manifestLength * 1.5)
        const request = { files, metadata, manifests, snapshotId, targetSizeBytes, maxEntriesHeld: held }
        const { created, kept } = await clusterManifests(request)
        await files.flush()
        const all = [...created, ...kept]
        const entries = await Promise.all(all.map((one) => readManifestEntries(lake.io, metadata, one)))
        return entries.map((inOne) => inOne.map(({ file }) => file))
      }
      const [many, once] = [await clustered(maxEntriesHeld), await clustered(1_000_000)]
      const paths = (files: typeof many) =>
        files
          .flat()
          .map((file) => file.filePath)
          .sort()
      expect(paths(many)).toEqual(paths(once))
      expect(paths(many)).toHaveLength(commits.flat().length)
      const ranges = many.map((files) => {
        const values = files.map((file) => Number(file.partition[0]))
        return { lower: Math.min(...values), upper: Math.max(...values) }
      })
      ranges.sort((a, b) => a.lower - b.lower || a.upper - b.upper)
      for (const [at, { lower }] of ranges.entries()) {
        if (at > 0) expect(ranges[at - 1]!.upper).toBeLessThanOrEqual(lower)
      }
    }),
    { numRuns: 60 },
  )
})
