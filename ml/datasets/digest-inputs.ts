import { createHash } from 'node:crypto'
import type { FileIO } from '../../iceberg/io/file-io.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { DatasetInfo } from '../../schemas/model-messages.js'
import { pinnedTables, type PinnedTable } from '../views/add-rows.js'

/** Tables with more bytes are not digested: reading them all again would take longer than the training. */
const BYTES_MAX = 1024 ** 3
const CHUNK_BYTES = 8 * 1024 * 1024

/** By table, SHA-256 over the bytes of all files of a pinned snapshot, wherever they lie. Without tables that are too large. */
export async function digestInputs(
  deps: Pick<LakeDeps, 'catalog'>,
  snapshots: Readonly<Record<string, string>>,
): Promise<NonNullable<DatasetInfo['inputs']>> {
  const inputs: Record<string, string> = {}
  for (const [name, table] of await pinnedTables(deps, snapshots)) {
    const files = await filesOf(table)
    if (files.reduce((sum, file) => sum + file.fileSizeInBytes, 0) > BYTES_MAX) continue
    const digests: string[] = []
    for (const file of files) digests.push(await digestFile(table.io, file))
    inputs[name] = createHash('sha256').update(digests.sort().join()).digest('hex')
  }
  return inputs
}

async function filesOf({ metadata, io, snapshotId }: PinnedTable): Promise<readonly DataFile[]> {
  if (snapshotId === undefined) return []
  const target = { kind: 'snapshot', snapshotId: BigInt(snapshotId) } as const
  const { tasks } = await planScan({ metadata, io, target })
  const files = tasks.flatMap(({ file, deletes }) => [file, ...deletes])
  return [...new Map(files.map((file) => [file.filePath, file])).values()]
}

async function digestFile(io: FileIO, { filePath, fileSizeInBytes }: DataFile): Promise<string> {
  const hash = createHash('sha256')
  for (let start = 0; start < fileSizeInBytes; start += CHUNK_BYTES) {
    const end = Math.min(start + CHUNK_BYTES, fileSizeInBytes)
    hash.update(await io.read(filePath, { start, end }))
  }
  return hash.digest('hex')
}
