import { ifFound } from '../../iceberg/error.js'
import type { FileIO } from '../../iceberg/io/file-io.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'

/** Whether a staged file is there in the size that it was written in. */
export async function isIntact(io: FileIO, file: DataFile): Promise<boolean> {
  return (await ifFound(io.stat(file.filePath)))?.sizeBytes === file.fileSizeInBytes
}
