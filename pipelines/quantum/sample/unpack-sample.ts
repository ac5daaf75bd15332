import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { FirnError } from '../../../index.js'

/** One of the sample's VQE runs: the name of its file and the document's text, byte for byte as it was produced. */
export interface SampleDocument {
  readonly name: string
  readonly document: string
}

/**
 * Writes documents [from, from + count) of the sample, counted in the order of their names, as files into `folder` and
 * returns their paths. A file that is already there with the same content is left alone, so it is not landed again.
 */
export async function unpackSample(options: {
  readonly folder: string
  readonly from?: number
  readonly count?: number
}): Promise<readonly string[]> {
  const all = readSample()
  const from = options.from ?? 0
  const count = options.count ?? all.length - from
  if (from < 0 || count < 0 || from + count > all.length) {
    throw new FirnError(
      'invalid-input',
      `The sample has documents 0 to ${all.length - 1}: ${count} from ${from} are not among them. Ask for fewer.`,
      { context: { from, count, available: all.length } },
    )
  }
  await mkdir(options.folder, { recursive: true })
  const paths: string[] = []
  for (const { name, document } of all.slice(from, from + count)) {
    const path = join(options.folder, name)
    await writeUnlessEqual(path, document)
    paths.push(path)
  }
  return paths
}

/** All 150 documents, sorted by name. */
export function readSample(): readonly SampleDocument[] {
  const packed = readFileSync(join(dirname(fileURLToPath(import.meta.url)), 'runs.jsonl.gz'))
  const lines = gunzipSync(packed).toString('utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as SampleDocument)
}

/** Written under another name first: whoever lists the folder meanwhile never sees half a document. */
async function writeUnlessEqual(path: string, text: string): Promise<void> {
  if (existsSync(path) && (await readFile(path, 'utf8')) === text) return
  await writeFile(`${path}.part`, text)
  await rename(`${path}.part`, path)
}
