import { createHash } from 'node:crypto'
import { joinLocation } from '../../iceberg/io/location.js'
import { tryCreate } from '../../iceberg/io/try-create.js'
import type { Row } from '../../engine/engine.js'
import { parseBatchId, processingDateOf } from '../../schemas/batch.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { placedKey } from '../land/line-buffer.js'
import { RawObject } from '../land/raw-object.js'
import type { NamedSource } from '../land/source-of.js'
import { contractOf } from './letter-contract.js'
import type { Place } from './locate-letters.js'
import type { LetterWithRaw } from './read-letters.js'

/** A letter that keeps its contract now, and where it belongs. */
export interface PlacedLetter {
  readonly letter: LetterWithRaw
  readonly place: Place
}

/** A ledger row of a replay but for its number. */
export type UnnumberedRow = Readonly<Row>

/** `source_path` of a replay's rows: neither a file nor a range of a topic as it was landed. */
const REPLAYED = 'dead-letters'
const OBJECT_BYTES = 8 * 1024 * 1024

/** Whether a raw object holds replayed letters: some of the offsets that its name says, not all that had records. */
export function isReplayed(location: string): boolean {
  return /-replay-[0-9a-f]{12}\.jsonl\.gz$/.test(location)
}

/**
 * Writes the letters into raw objects of their own, named by content: done again it finds them. Nothing of it is visible.
 * `letters`: by incarnation and partition, and in these by offset, each offset once.
 */
export async function writeReplayObjects(
  deps: Pick<LakeDeps, 'catalog' | 'warehouse'>,
  source: NamedSource,
  batch: string,
  letters: readonly PlacedLetter[],
): Promise<readonly UnnumberedRow[]> {
  const rows: UnnumberedRow[] = []
  let open: PlacedLetter[] = []
  let object = newObject(source)
  const close = async (): Promise<void> => {
    if (open.length > 0) rows.push(await writeObject(deps, source, batch, open, object))
    open = []
    object = newObject(source)
  }
  for (const placed of letters) {
    const { letter, place } = placed
    const [first] = open
    const isSameRange =
      first?.place.incarnation === place.incarnation && first.letter.partition === letter.partition
    if (object.isFull() || !isSameRange) await close()
    const { path, partition, offset, key } = letter
    const { topic } = source.definition
    const problem = object.add(letter.raw, 0, letter.raw.length, {
      ...{ topic, path, partition, offset },
      ...placedKey(key === null ? null : keyBytes(key)),
      timestampMs: place.timestampMs,
    })
    if (problem !== undefined) throw problem
    open.push(placed)
  }
  await close()
  return rows
}

function newObject(source: NamedSource): RawObject {
  return new RawObject(contractOf(source), OBJECT_BYTES)
}

async function writeObject(
  deps: Pick<LakeDeps, 'catalog' | 'warehouse'>,
  { name: source }: NamedSource,
  batch: string,
  letters: readonly PlacedLetter[],
  object: RawObject,
): Promise<UnnumberedRow> {
  const [least, greatest] = [letters[0], letters.at(-1)]
  if (least === undefined || greatest === undefined)
    throw new FirnError('io', 'an object of no letters was to be written; replay again')
  const { incarnation } = least.place
  const { partition, offset: first } = least.letter
  const end = greatest.letter.offset + 1
  const { bytes, sha256 } = await object.close()
  const name = `${incarnation}-${partition}-${first}-${end}-replay-${sha256.slice(0, 12)}.jsonl.gz`
  const date = processingDateOf(parseBatchId(batch))
  const location = joinLocation(deps.warehouse, 'raw', source, date, name)
  await writeByContent(deps, location, bytes, sha256)
  return {
    path: location,
    ...{ incarnation, partition },
    first: BigInt(first),
    next_offset: BigInt(end),
    records: BigInt(object.records),
    dead_letters: 0n,
    bytes: BigInt(object.payloadBytes),
    sha256,
    source_path: REPLAYED,
    source_size: null,
    source_mtime_ms: null,
    min_event_time: microsOf(object.minEventTimeMs),
    max_event_time: microsOf(object.maxEventTimeMs),
    batch,
    last_record: null,
  }
}

/** What an earlier attempt left is written again: clean-up may be about to take it for an old leftover. */
async function writeByContent(
  { catalog: { io } }: Pick<LakeDeps, 'catalog'>,
  location: string,
  bytes: Uint8Array,
  sha256: string,
): Promise<void> {
  if (await tryCreate(io, location, bytes)) return
  const found = createHash('sha256')
    .update(await io.read(location))
    .digest('hex')
  if (found !== sha256) {
    throw new FirnError(
      'raw-differs',
      `${location} exists with other bytes (SHA-256 ${found}, now ${sha256}): move it away and replay again`,
      { context: { location, expected: sha256, got: found } },
    )
  }
  await io.write(location, bytes)
}

/** What `keyText` made a text of. */
function keyBytes(text: string): Uint8Array {
  const base64 = /^base64:(.*)$/s.exec(text)?.[1]
  return base64 === undefined ? Buffer.from(text) : Buffer.from(base64, 'base64')
}

function microsOf(ms: number | undefined): bigint | null {
  return ms === undefined ? null : BigInt(ms) * 1000n
}
