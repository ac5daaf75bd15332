import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import { quoteText } from '../../engine/duckdb/sql-text.js'
import { parseBatchId } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import { DEAD_LETTERS, ledgerIdentifier } from '../../schemas/lake-tables.js'
import type { NamedSource } from '../land/source-of.js'
import { restoreRemovedRows } from '../land/restore-removed-rows.js'
import { ensureLandingTables } from '../tables/ensure-tables.js'
import type { Replay } from './commit-replay.js'
import { commitReplay } from './commit-replay.js'
import { contractOf, problemOf, sourceNow } from './letter-contract.js'
import { letterKeySql } from './letter-id.js'
import type { Located } from './locate-letters.js'
import { landedAlready, locateLetters } from './locate-letters.js'
import type { Letter, LetterSelection, LetterWithRaw } from './read-letters.js'
import { LETTER_COLUMNS, loadLetters, queryLetters, toLetterWithRaw } from './read-letters.js'
import type { PlacedLetter } from './replay-objects.js'
import { writeReplayObjects } from './replay-objects.js'

export interface ReplayRequest {
  readonly selection: LetterSelection
  /** Whose contract counts, where several pipelines declare a source differently. */
  readonly pipeline?: string
  /** Batch that the records are landed as. */
  readonly batch: string
  /** Checks everything and changes nothing. */
  readonly dryRun?: boolean
}

/** A letter that a replay left where it is. */
export interface StayingLetter {
  readonly id: string
  /** Of the contract as it is now, or `rolled-back`, `ambiguous`, `object-gone`. */
  readonly kind: string
  readonly message: string
  readonly documentPath: string
}

/** What a replay did to the letters of one source, or would do. */
export interface ReplayedSource {
  readonly source: string
  readonly batch: string
  /** Records that were landed; a build reads them as new. */
  readonly replayed: number
  /** Records that were in a raw object already; their letters are gone. */
  readonly landedBefore: number
  readonly stayed: number
  /** The first hundred. */
  readonly staying: readonly StayingLetter[]
  readonly objects: number
  readonly ledgerSnapshotId: string | null
}

/**
 * Checks the selected letters against the contract of their source as it is now. Those that keep it are landed, all their
 * ledger rows and the deletion of their letters in one transaction for some thousand letters; the others stay. Done again
 * it goes on with what is left. Errors: FirnError `not-found`, `invalid-input`, `stale-range`, `cancelled`; IcebergError
 * `commit-*`.
 */
export async function replayLetters(
  deps: LakeDeps,
  request: ReplayRequest,
  control: RunControl = {},
): Promise<readonly ReplayedSource[]> {
  const batch = parseBatchId(request.batch)
  const letters = await loadLetters(deps)
  if (letters === undefined) return []
  const found = await queryLetters(
    deps,
    letters,
    request.selection,
    'SELECT DISTINCT source FROM letters ORDER BY source',
  )
  const sources = found.map((row) => sourceNow(deps, row['source'] as string, request.pipeline))
  const results: ReplayedSource[] = []
  for (const source of sources) {
    if (request.dryRun !== true) await makeReady(deps, source.name)
    results.push(await replaySource(deps, source, { ...request, batch }, control))
  }
  return results
}

/** Columns that came later are there, and so are rows that a rollback took from the ledger. */
async function makeReady(deps: LakeDeps, source: string): Promise<void> {
  const { ledger } = await ensureLandingTables(deps, source)
  await restoreRemovedRows(deps, source, ledger)
}

const MAX_STAYING = 100
/** Letters of one transaction, and bytes of their records. */
const LETTERS_AT_ONCE = 5000
const BYTES_AT_ONCE = 32 * 1024 * 1024
const MAX_TRIES = 20

async function replaySource(
  deps: LakeDeps,
  source: NamedSource,
  request: ReplayRequest,
  control: RunControl,
): Promise<ReplayedSource> {
  let total: ReplayedSource = {
    ...{ source: source.name, batch: request.batch, replayed: 0, landedBefore: 0, stayed: 0, staying: [] },
    ...{ objects: 0, ledgerSnapshotId: null },
  }
  for (let after: Cursor | undefined = START; after !== undefined;) {
    stopIfAsked(control.signal, total)
    const { part, last }: Part = await replayPart(deps, source, request, after)
    after = last
    total = {
      ...total,
      replayed: total.replayed + part.replayed,
      landedBefore: total.landedBefore + part.landedBefore,
      stayed: total.stayed + part.staying.length,
      staying: [...total.staying, ...part.staying].slice(0, MAX_STAYING),
      objects: total.objects + part.objects,
      ledgerSnapshotId: part.ledgerSnapshotId ?? total.ledgerSnapshotId,
    }
    control.onProgress?.(`${source.name}: ${total.replayed} letters replayed, ${total.stayed} stay`)
  }
  return total
}

/** Letters behind the one that a part ended with, in SQL. */
type Cursor = string
const START = 'true'
const ORDER = `coalesce(incarnation, ''), partition, "offset", batch, coalesce(path, '')`

function cursorOf({ incarnation, partition, offset, batch, path }: Letter): Cursor {
  const texts = [incarnation ?? '', batch, path ?? ''].map(quoteText)
  return `(${ORDER}) > (${texts[0] ?? ''}, ${partition}, ${offset}, ${texts[1] ?? ''}, ${texts[2] ?? ''})`
}

interface Part {
  readonly part: {
    readonly replayed: number
    readonly landedBefore: number
    readonly staying: readonly StayingLetter[]
    readonly objects: number
    readonly ledgerSnapshotId: string | null
  }
  /** Undefined: there are no more. */
  readonly last: Cursor | undefined
}

/** One transaction, computed anew where somebody else took one of its letters. */
async function replayPart(
  deps: LakeDeps,
  source: NamedSource,
  request: ReplayRequest,
  after: Cursor,
): Promise<Part> {
  for (let tries = 1; ; tries++) {
    const [ledger, letters] = await deps.catalog.loadTables([ledgerIdentifier(source.name), DEAD_LETTERS])
    if (ledger === undefined || letters === undefined)
      throw new FirnError('not-found', `the catalog has no ledger of source ${source.name}; land it first`)
    const rows = await nextLetters(deps, letters, { ...request.selection, source: source.name }, after)
    const end = rows.at(-1)
    const last = end === undefined ? undefined : cursorOf(end.letter)
    const judged = await judge(deps, source, ledger, rows)
    const landing = withoutRepeats(judged.landing)
    const nothing = { replayed: landing.length, landedBefore: judged.landed.length, staying: judged.staying }
    const done = { part: { ...nothing, objects: 0, ledgerSnapshotId: null }, last }
    const going = [...judged.landing, ...judged.landed]
    if (going.length === 0 || request.dryRun === true) return done
    const written = await writeReplayObjects(deps, source, request.batch, landing)
    const keys = [...new Set(going.map(({ key }) => key))]
    const replay: Replay = {
      ...{ source: source.name, batch: request.batch, rows: written, keys, letters: landing.length },
    }
    try {
      const committed = await commitReplay(deps, letters, replay)
      return { part: { ...done.part, objects: written.length, ...committed }, last }
    } catch (error) {
      if (!isIcebergError(error, 'rebuild-needed') || tries >= MAX_TRIES) throw error
    }
  }
}

interface KeyedLetter {
  readonly letter: LetterWithRaw
  /** As `letterKeySql` says it. */
  readonly key: string
}

type Landing = PlacedLetter & KeyedLetter

interface Judged {
  readonly landing: readonly Landing[]
  readonly landed: readonly Landing[]
  readonly staying: readonly StayingLetter[]
}

async function nextLetters(
  deps: LakeDeps,
  table: LoadedTable,
  selection: LetterSelection,
  after: Cursor,
): Promise<readonly KeyedLetter[]> {
  const found = await queryLetters(
    deps,
    table,
    selection,
    `, ordered AS (SELECT *, ${letterKeySql('letters')} AS letter_key FROM letters WHERE ${after}
        ORDER BY ${ORDER} LIMIT ${LETTERS_AT_ONCE}),
      summed AS (SELECT *, row_number() OVER w AS n, sum(octet_length(raw)) OVER w AS total FROM ordered
        WINDOW w AS (ORDER BY ${ORDER} ROWS UNBOUNDED PRECEDING))
     SELECT ${LETTER_COLUMNS}, raw, letter_key FROM summed WHERE n = 1 OR total <= ${BYTES_AT_ONCE} ORDER BY n`,
  )
  return found.map((row) => ({ letter: toLetterWithRaw(row), key: row['letter_key'] as string }))
}

async function judge(
  deps: LakeDeps,
  source: NamedSource,
  ledger: LoadedTable,
  rows: readonly KeyedLetter[],
): Promise<Judged> {
  const contract = contractOf(source)
  const staying: StayingLetter[] = []
  const kept = rows.filter(({ letter }) => {
    const problem = problemOf(contract, letter)
    if (problem === undefined) return true
    const { kind, message, path } = problem
    staying.push({ id: letter.id, kind, message, documentPath: path })
    return false
  })
  const located = await locateLetters(
    deps,
    ledger,
    kept.map(({ letter }) => letter),
  )
  const placed: Landing[] = []
  for (const [at, keyed] of kept.entries()) {
    const place = located[at] ?? 'rolled-back'
    if (typeof place === 'string') staying.push(unplaced(keyed.letter, place))
    else placed.push({ ...keyed, place })
  }
  const found = await landedAlready(deps, placed)
  for (const [at, { letter }] of placed.entries()) {
    if (found[at] === undefined) staying.push(unplaced(letter, 'object-gone'))
  }
  return {
    landing: placed.filter((_, at) => found[at] === false),
    landed: placed.filter((_, at) => found[at] === true),
    staying,
  }
}

const UNPLACED: Readonly<Record<Extract<Located, string> | 'object-gone', string>> = {
  'rolled-back': 'the ledger has no row of its offset: its landing was undone. Land the source again first',
  ambiguous:
    'several folders of this source may hold it, since 0.1 did not write down which; land its file again',
  'object-gone':
    'the raw object of an earlier replay is gone, so nobody can tell whether it was landed; put the object back, or drop the letter',
}

function unplaced({ id }: LetterWithRaw, kind: keyof typeof UNPLACED): StayingLetter {
  return { id, kind, message: UNPLACED[kind], documentPath: '' }
}

/** Ordered as objects want them. A landing that was undone and done again leaves a letter twice: it is landed once. */
function withoutRepeats(landing: readonly Landing[]): readonly Landing[] {
  const byPlace = new Map<string, Landing>()
  for (const one of landing) {
    const { partition, offset } = one.letter
    byPlace.set(`${one.place.incarnation} ${partition} ${offset}`, one)
  }
  return [...byPlace.values()].sort(
    (a, b) =>
      compareText(a.place.incarnation, b.place.incarnation) ||
      a.letter.partition - b.letter.partition ||
      a.letter.offset - b.letter.offset,
  )
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function stopIfAsked(signal: AbortSignal | undefined, { source, replayed }: ReplayedSource): void {
  if (signal?.aborted !== true) return
  throw new FirnError(
    'cancelled',
    `stopped as asked after ${replayed} letters of ${source} were replayed; the others stay`,
  )
}
