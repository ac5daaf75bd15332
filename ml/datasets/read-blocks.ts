import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import type { RecordBatch } from 'apache-arrow'
import { AsyncRecordBatchFileReader, RecordBatchReader } from 'apache-arrow'
import { FirnError } from '../../schemas/error.js'
import type { DatasetFooter } from './dataset-footer.js'
import { notADataset, readFooterText } from './dataset-footer.js'

/** A data set's file that is open: blocks in any order, one at a time. */
export interface BlockReader {
  readonly footer: DatasetFooter
  read(block: number): Promise<RecordBatch>
  close(): Promise<void>
}

/** Errors: FirnError `not-found`, `contract-broken` where it is cut off or no data set. */
export async function openBlocks(path: string): Promise<BlockReader> {
  const file = await openFile(path)
  try {
    const reader = await RecordBatchReader.from(file)
    if (!(reader instanceof AsyncRecordBatchFileReader)) throw notADataset(path, 'it is no Arrow file')
    await reader.open()
    const footer = readFooterText(path, reader.schema.metadata)
    if (reader.numRecordBatches !== footer.blocks.length)
      throw notADataset(path, 'its footer counts other blocks')
    return { footer, read: (block) => readBlock(path, reader, footer, block), close: () => reader.cancel() }
  } catch (cause) {
    await file.close().catch(() => undefined)
    throw cause instanceof FirnError ? cause : notADataset(path, reasonOf(cause), cause)
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (cause) {
    throw new FirnError(
      'not-found',
      `${path} cannot be read: ${reasonOf(cause)}. Build the data set again.`,
      {
        context: { path },
        cause,
      },
    )
  }
}

async function readBlock(
  path: string,
  reader: AsyncRecordBatchFileReader,
  footer: DatasetFooter,
  block: number,
): Promise<RecordBatch> {
  let batch: RecordBatch | null
  try {
    batch = await reader.readRecordBatch(block)
  } catch (cause) {
    throw notADataset(path, `block ${block}: ${reasonOf(cause)}`, cause)
  }
  if (batch?.numRows !== footer.blocks[block]) throw notADataset(path, `block ${block} has not its rows`)
  return batch as RecordBatch
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
