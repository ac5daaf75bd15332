// One writer of `commit-processes.test.ts`: appends `count` files to two tables, both in one transaction each time.
// Its snapshot ids and file names follow from its number, so a killed writer can be started again.
import { randomUUID } from 'node:crypto'
import { openSqliteCatalog } from '../../dist/iceberg/catalog/sqlite.js'
import { LocalFileIO } from '../../dist/iceberg/io/local.js'
import { commitTransaction } from '../../dist/iceberg/write/transaction.js'

const [directory, writer, count] = process.argv.slice(2)
const options = { now: Date.now, newUuid: randomUUID }
const catalog = openSqliteCatalog({
  path: `${directory}/catalog.db`,
  name: 'firn',
  warehouse: `file://${directory}/warehouse`,
  io: new LocalFileIO(),
  ...options,
})
for (let n = 0; n < Number(count); n++) {
  const changes = ['one', 'two'].map((name, at) => ({
    identifier: { namespace: 'm', name },
    snapshotId: 2n ** 61n + BigInt(writer) * 1_000_000n + BigInt(n * 2 + at),
    change: { kind: 'append', files: [dataFile(`${name}-${writer}-${n}`)] },
  }))
  const retry = { tries: 200, maxWaitMs: 200 }
  await commitTransaction({ catalog, changes, retry, ...options })
}
catalog.close()

function dataFile(name) {
  return {
    content: 'data',
    filePath: `${directory}/${name}.parquet`,
    fileFormat: 'parquet',
    specId: 0,
    partition: [],
    recordCount: 1,
    fileSizeInBytes: 100,
  }
}
