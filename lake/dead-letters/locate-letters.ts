import { gunzip } from 'node:zlib'
import { promisify } from 'node:util'
import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { ifFound } from '../../iceberg/error.js'
import type { Expression } from '../../iceberg/expr/expression.js'
import { alwaysTrue, and, gtEq, isIn, ltEq } from '../../iceberg/expr/expression.js'
import { inParallel } from '../../iceberg/io/in-parallel.js'
import { planScan } from '../../iceberg/scan/plan-scan.js'
import type { Row } from '../../engine/engine.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { parseTableSchema } from '../../schemas/table-schema.js'
import { isReplayed } from './replay-objects.js'
import type { Letter } from './read-letters.js'

/** Where a letter's record belongs, as the ledger knows it. */
export interface Place {
  readonly incarnation: string
  /** The record's own time, else its file's. ms since 1970. */
  readonly timestampMs: number | undefined
  /** Raw objects of the ledger rows that its offset lies in. */
  readonly objects: readonly CoveringObject[]
}

interface CoveringObject {
  readonly location: string
  /** Of the landing that the letter came from: it is not in there. */
  readonly isOwn: boolean
}

/** `rolled-back`: no row of the ledger has its offset. `ambiguous`: several folders may have had it. */
export type Located = Place | 'rolled-back' | 'ambiguous'

type LocateDeps = Pick<LakeDeps, 'catalog' | 'engine'>

/** By position in `letters`. Reads the ledger's rows around them. */
export async function locateLetters(
  deps: LocateDeps,
  ledger: LoadedTable,
  letters: readonly Letter[],
): Promise<readonly Located[]> {
  const rows = await coveringRows(deps, ledger, letters)
  const byLetter = new Map<number, Row[]>()
  for (const row of rows) {
    const at = Number(row['n'])
    byLetter.set(at, [...(byLetter.get(at) ?? []), row])
  }
  return letters.map((letter, at) => placeOf(letter, byLetter.get(at) ?? []))
}

/**
 * Which of the placed letters are in a raw object already: dead letters may be older than the ledger, where one of the
 * two was rolled back or put back from a backup. `undefined`: that object is gone, so nobody can tell.
 */
export async function landedAlready(
  deps: LocateDeps,
  placed: readonly { readonly letter: Letter; readonly place: Place }[],
): Promise<readonly (boolean | undefined)[]> {
  const found = placed.map((): boolean | undefined => false)
  const byObject = new Map<string, number[]>()
  for (const [at, { place }] of placed.entries()) {
    for (const { location } of place.objects) byObject.set(location, [...(byObject.get(location) ?? []), at])
  }
  await inParallel([...byObject], OBJECTS_AT_ONCE, async ([location, places]) => {
    const bytes = await ifFound(deps.catalog.io.read(location))
    const offsets = bytes === undefined ? undefined : await offsetsIn(bytes)
    for (const at of places) {
      const { letter, place } = placed[at] ?? {}
      if (letter === undefined || place === undefined) continue
      if (offsets?.has(letter.offset) === true) found[at] = true
      // Retention takes objects of old landings, and these never held their own letters.
      const isOwn = place.objects.some((object) => object.location === location && object.isOwn)
      if (offsets === undefined && !isOwn && found[at] === false) found[at] = undefined
    }
  })
  return found
}

const OBJECTS_AT_ONCE = 4
const decompress = promisify(gunzip)

/** The envelope's own offset comes before anything in a line that could look like it: quotes within texts are escaped. */
async function offsetsIn(bytes: Uint8Array): Promise<ReadonlySet<number>> {
  const offsets = new Set<number>()
  const lines = await decompress(bytes)
  for (let from = 0; from < lines.length;) {
    const newline = lines.indexOf(0x0a, from)
    const end = newline < 0 ? lines.length : newline
    const line = lines.toString('utf8', from, Math.min(end, from + ENVELOPE_BYTES))
    const offset = /"offset":(\d+)/.exec(line)?.[1]
    if (offset !== undefined) offsets.add(Number(offset))
    from = end + 1
  }
  return offsets
}

/** A path of a file may be long, and every byte of it may be escaped. */
const ENVELOPE_BYTES = 64 * 1024

const WANTED = parseTableSchema({
  n: 'int!',
  incarnation: 'string',
  partition: 'int!',
  offset: 'long!',
  batch: 'string!',
  path: 'string',
})

async function coveringRows(
  deps: LocateDeps,
  ledger: LoadedTable,
  letters: readonly Letter[],
): Promise<readonly Row[]> {
  const { metadata } = ledger
  const filter = rangeOf(letters)
  const { schema, tasks } = await planScan({ metadata, io: deps.catalog.io, filter })
  if (tasks.length === 0) return []
  const session = await deps.engine.openSession()
  try {
    await session.addRelation({ kind: 'scan', name: 'ledger', schema, tasks, metadata })
    const rows = letters.map(({ incarnation, partition, offset, batch, path }, n) => ({
      ...{ n, incarnation, partition, batch, path },
      offset: BigInt(offset),
    }))
    await session.addRelation({ kind: 'rows', name: 'wanted', schema: WANTED, rows })
    return (await session.query(COVERING_SQL, { limit: Number.MAX_SAFE_INTEGER })).rows
  } finally {
    await session.close()
  }
}

/** Letters without an incarnation are of files, which their batch and path tell. */
const COVERING_SQL = `
  SELECT DISTINCT w.n, l.path, l.incarnation, l.records, l.batch, l.source_mtime_ms
  FROM wanted w JOIN ledger l
    ON l.partition = w.partition AND w."offset" >= l.first AND w."offset" < l.next_offset
   AND (l.incarnation = w.incarnation OR (w.incarnation IS NULL AND l.batch = w.batch AND l.source_path = w.path))
  ORDER BY w.n, l.path`

/** Files of the ledger that may hold the rows: those whose rows reach into the letters' offsets. */
function rangeOf(letters: readonly Letter[]): Expression {
  const offsets = letters.map(({ offset }) => offset)
  const least = offsets.reduce((min, offset) => Math.min(min, offset), Number.MAX_SAFE_INTEGER)
  const greatest = offsets.reduce((max, offset) => Math.max(max, offset), 0)
  const incarnations = new Set(letters.map(({ incarnation }) => incarnation))
  const known = [...incarnations].filter((incarnation) => incarnation !== null)
  return and(
    ltEq('first', BigInt(greatest)),
    gtEq('next_offset', BigInt(least) + 1n),
    known.length === incarnations.size ? isIn('incarnation', known) : alwaysTrue,
  )
}

function placeOf(letter: Letter, rows: readonly Row[]): Located {
  const own = rows.filter((row) => !isReplayed(row['path'] as string))
  const incarnations = new Set(own.map((row) => row['incarnation'] as string))
  const [incarnation] = incarnations
  if (incarnation === undefined) return 'rolled-back'
  if (incarnations.size > 1) return 'ambiguous'
  const changedAt = own.find((row) => row['source_mtime_ms'] !== null)?.['source_mtime_ms'] ?? null
  const ownTime = letter.timestamp === null ? undefined : Date.parse(letter.timestamp)
  const fileTime = changedAt === null ? undefined : Number(changedAt)
  const objects = rows
    .filter((row) => row['incarnation'] === incarnation && Number(row['records']) > 0)
    .map((row) => {
      const location = row['path'] as string
      return { location, isOwn: !isReplayed(location) && row['batch'] === letter.batch }
    })
  // Kafka's word for a message without a time is -1.
  return { incarnation, timestampMs: ownTime === undefined || ownTime < 0 ? fileTime : ownTime, objects }
}
