import type { FileHandle } from 'node:fs/promises'
import type { Schema as ArrowSchema } from 'apache-arrow'
import { AsyncByteQueue, RecordBatch, RecordBatchFileWriter, Schema } from 'apache-arrow'
import { writeFooterText } from './dataset-footer.js'
import type { DatasetFooter } from './dataset-footer.js'

/** Record batches → an Arrow IPC file, whose footer also says what a data set's file must: one block a batch. */
export class BlockWriter {
  private readonly sink = new Collected()
  private readonly writer: FooterWriter
  readonly blocks: number[] = []
  sizeBytes = 0

  constructor(
    private readonly file: FileHandle,
    private readonly schema: ArrowSchema,
  ) {
    this.writer = new FooterWriter(this.sink, schema)
  }

  async write(batch: RecordBatch): Promise<void> {
    this.writer.write(new RecordBatch(this.schema, batch.data))
    this.blocks.push(batch.numRows)
    await this.flush()
  }

  async finish(footer: Omit<DatasetFooter, 'blocks'>): Promise<void> {
    this.writer.footer = writeFooterText({ ...footer, blocks: this.blocks })
    this.writer.finish()
    await this.flush()
  }

  private async flush(): Promise<void> {
    const chunks = this.sink.take()
    for (let first = 0; first < chunks.length; first += CHUNKS_AT_ONCE) {
      let rest: Uint8Array[] = chunks.slice(first, first + CHUNKS_AT_ONCE)
      while (rest.length > 0) {
        const { bytesWritten } = await this.file.writev(rest)
        this.sizeBytes += bytesWritten
        rest = withoutFirst(rest, bytesWritten)
      }
    }
  }
}

/** Arrow's queue would have no bound: whoever writes waits for the disk here. */
class Collected extends AsyncByteQueue {
  private chunks: Uint8Array[] = []

  override write(chunk: Uint8Array): void {
    this.chunks.push(chunk)
  }

  take(): readonly Uint8Array[] {
    const taken = this.chunks
    this.chunks = []
    return taken
  }
}

class FooterWriter extends RecordBatchFileWriter {
  footer = new Map<string, string>()

  constructor(sink: Collected, schema: ArrowSchema) {
    super()
    // Also a file without a batch has a schema.
    this.reset(sink, schema)
  }

  protected override _writeFooter(schema: ArrowSchema): this {
    return super._writeFooter(new Schema(schema.fields, new Map([...schema.metadata, ...this.footer])))
  }
}

/** Most systems take no more in one call. */
const CHUNKS_AT_ONCE = 512

/** What a short write left. */
function withoutFirst(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skipped = 0
  for (const [index, chunk] of chunks.entries()) {
    if (skipped + chunk.byteLength > bytes) {
      return [chunk.subarray(bytes - skipped), ...chunks.slice(index + 1)]
    }
    skipped += chunk.byteLength
  }
  return []
}
