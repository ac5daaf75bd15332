import { expect, it } from 'vitest'
import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { readManifests } from '../../iceberg/scan/manifests.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import { parseTableMetadata, serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import type { TableMetadata } from '../../iceberg/spec/table-metadata.js'
import { RowLake } from '../support/row-lake.js'

const T: TableIdentifier = { namespace: 'm', name: 't' }

it('reads a v1 snapshot that names its manifests itself, without a manifest list', async () => {
  const lake = new RowLake()
  await lake.create(T)
  await lake.append(T, ['a'], 0)
  await lake.append(T, ['b', 'c'], 1)
  const { metadata } = await lake.catalog.loadTable(T)
  const expected = await planScan({ metadata, io: lake.io })
  const snapshots = await Promise.all(
    metadata.snapshots.map(async (snapshot) => {
      const rest = { ...snapshot }
      Reflect.deleteProperty(rest, 'manifest-list')
      const manifests = (await readManifests(lake.io, metadata, snapshot)).map((one) => one.manifestPath)
      return { ...rest, manifests }
    }),
  )
  const old: TableMetadata = { ...metadata, 'format-version': 1, snapshots }
  const read = parseTableMetadata(serializeTableMetadata(old))
  const { tasks } = await planScan({ metadata: read, io: lake.io })
  const paths = (of: typeof tasks) => of.map(({ file }) => file.filePath).sort()
  expect(paths(tasks)).toEqual(paths(expected.tasks))
  expect((await Promise.all(tasks.map((task) => lake.liveRows(task)))).flat().sort()).toEqual(['a', 'b', 'c'])
  const [first] = read.snapshots
  const target = { kind: 'snapshot', snapshotId: first!['snapshot-id'] } as const
  expect((await planScan({ metadata: read, io: lake.io, target })).tasks).toHaveLength(1)
})
