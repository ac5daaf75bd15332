import type { PlannedFile, SourceFiles } from './source-files.js'

/** A file whose bytes are being read. */
export interface OpenFile {
  readonly file: PlannedFile
  readonly bytes: AsyncIterable<Buffer>
}

const FILES_AHEAD = 32
/** Larger ones are not fetched before their turn, so that few of them don't fill the memory. */
const SMALL_BYTES = 512 * 1024

/**
 * The files in their order, small ones fetched while those before are worked on: of a store far away, waiting for one
 * answer after another would be most of the time.
 */
export function* readAhead(source: SourceFiles, files: readonly PlannedFile[]): Generator<OpenFile> {
  const fetched = new Map<PlannedFile, Promise<readonly Buffer[]>>()
  let begun = 0
  for (const [i, file] of files.entries()) {
    for (const next of files.slice(begun, i + FILES_AHEAD)) {
      if (next.size <= SMALL_BYTES) fetched.set(next, fetchWhole(source, next))
    }
    begun = Math.min(i + FILES_AHEAD, files.length)
    const pieces = fetched.get(file)
    fetched.delete(file)
    yield { file, bytes: pieces === undefined ? source.read(file) : piecesOf(pieces) }
  }
}

function fetchWhole(source: SourceFiles, file: PlannedFile): Promise<readonly Buffer[]> {
  const whole = collect(source.read(file))
  // It may fail before its turn, or never have one.
  whole.catch(() => undefined)
  return whole
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<readonly Buffer[]> {
  const collected: Buffer[] = []
  for await (const piece of pieces) collected.push(piece)
  return collected
}

async function* piecesOf(pieces: Promise<readonly Buffer[]>): AsyncGenerator<Buffer> {
  yield* await pieces
}
