import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FirnError } from '../../schemas/error.js'
import type { SimulatedRecord } from './simulation.js'
import type { Sink } from './sink.js'

interface FolderOptions {
  readonly folder: string
  /** Name of the file of each document; absent: newline JSON, in files named by `lines`. */
  readonly fileName?: (number: number) => string
  /** Name of a file of newline JSON, by its number. */
  readonly lines: (number: number) => string
  readonly gzip: boolean
}

/** Files of newline JSON are about so large before compression. */
const FILE_BYTES = 4 * 1024 * 1024

/**
 * Writes documents as files that a landing finds whole: under a hidden name first. A file that is there with the same
 * bytes is left alone, so that nothing lands twice; one with others is not overwritten.
 */
export async function openFolderSink({ folder, fileName, lines, gzip }: FolderOptions): Promise<Sink> {
  await mkdir(folder, { recursive: true })
  const suffix = gzip ? '.gz' : ''
  let files = 0
  let waiting: string[] = []
  let waitingBytes = 0
  const put = async (name: string, text: string): Promise<void> => {
    await writeOnce(folder, `${name}${suffix}`, gzip ? await compress(text) : Buffer.from(text))
    files += 1
  }
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return
    await put(lines(files), waiting.join(''))
    waiting = []
    waitingBytes = 0
  }
  return {
    async write(records: readonly SimulatedRecord[]) {
      for (const { value } of records) {
        if (fileName !== undefined) await put(fileName(files), value)
        else {
          waiting.push(`${value}\n`)
          waitingBytes += value.length + 1
          if (waitingBytes >= FILE_BYTES) await flush()
        }
      }
    },
    close: flush,
    get place() {
      return { kind: 'folder' as const, folder, files }
    },
  }
}

async function compress(text: string): Promise<Buffer> {
  const { gzip } = await import('node:zlib')
  const { promisify } = await import('node:util')
  return promisify(gzip)(text, { level: 1 })
}

async function writeOnce(folder: string, name: string, bytes: Buffer): Promise<void> {
  const path = join(folder, name)
  const there = await stat(path).catch(() => undefined)
  if (there !== undefined) {
    if (there.size === bytes.length && bytes.equals(await readFile(path))) return
    throw new FirnError(
      'invalid-input',
      `${path} is there already, with other contents: remove it, or choose another --dir or another --seed.`,
    )
  }
  const part = join(folder, `.${name}.part`)
  await writeFile(part, bytes)
  await rename(part, path)
}
