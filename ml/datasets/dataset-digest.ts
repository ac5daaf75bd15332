import { createHash } from 'node:crypto'
import type { RecordBatch } from 'apache-arrow'
import { FirnError } from '../../schemas/error.js'
import { typeText, type DatasetColumn } from './dataset-columns.js'
import { rowEncoder } from './encode-rows.js'
import { sha256Text } from './sha256-text.js'

export interface DatasetDigests {
  /** Of the rows as a multiset: whatever their order, file layout and batches. */
  readonly digest: string
  /** Of the rows in their order. */
  readonly orderedDigest: string
  readonly rows: number
}

export interface DatasetDigest {
  /** `keep`: only rows that it says yes to. Errors: FirnError `contract-broken` where columns or types differ. */
  add(batch: RecordBatch, keep?: (row: number) => boolean): void
  finish(): DatasetDigests
}

/**
 * Digests of rows of these columns, which a batch has among others; all rows, all values, all types. Defined in
 * docs/datasets.md so that anyone can compute them:
 *
 * - The bytes of a row are those of its columns, one after the other (`encode-rows.ts`); its hash is their SHA-256.
 * - `columns` is the JSON of [[name, type], …] without spaces; a type is written as in `typeText`.
 * - `orderedDigest` = SHA-256(`firn-dataset-1\nordered\n` columns `\n` hash of row 1, hash of row 2, …)
 * - `digest` = SHA-256(`firn-dataset-1\nmultiset\n` columns `\n` number of rows `\n` sum), where the sum of all rows' hashes,
 *   each a little-endian number of 32 bytes, modulo 2^256, is again 32 bytes. Twice the same row is not the row never.
 *
 * Both as 64 hexadecimal digits.
 */
export function createDatasetDigest(columns: readonly DatasetColumn[]): DatasetDigest {
  const header = JSON.stringify(columns.map(({ name, type }) => [name, typeText(type)]))
  const ordered = createHash('sha256').update(`${FORMAT}\nordered\n${header}\n`)
  const sum = new HashSum()
  const encoder = rowEncoder(columns)
  let rows = 0
  return {
    add(batch, keep) {
      const encode = encoder(batch)
      const hashes = Buffer.allocUnsafe(batch.numRows * HASH_BYTES)
      let end = 0
      for (let row = 0; row < batch.numRows; row++) {
        if (keep?.(row) === false) continue
        const hash = sha256Text(encode(row))
        sum.add(hash)
        hashes.write(hash, end, 'latin1')
        end += HASH_BYTES
      }
      ordered.update(hashes.subarray(0, end))
      rows += end / HASH_BYTES
    },
    finish() {
      const total = createHash('sha256')
        .update(`${FORMAT}\nmultiset\n${header}\n${rows}\n`)
        .update(sum.bytes())
      return { digest: total.digest('hex'), orderedDigest: ordered.digest('hex'), rows }
    },
  }
}

/** The file holds other rows than its digest says. */
export function requireDigest(location: string, expected: string, found: string): void {
  if (found === expected) return
  throw new FirnError(
    'contract-broken',
    `${location} was changed: its rows have the digest ${found} and should have ${expected}. It is scratch: remove it and build the data set again.`,
    { context: { location, expected, found } },
  )
}

const FORMAT = 'firn-dataset-1'
const HASH_BYTES = 32

/** Hashes added up byte by byte; carried only at the end, which 2^45 rows don't overflow. */
class HashSum {
  private readonly lanes = new Float64Array(HASH_BYTES)

  add(hash: string): void {
    const { lanes } = this
    for (let index = 0; index < HASH_BYTES; index++) {
      lanes[index] = (lanes[index] as number) + hash.charCodeAt(index)
    }
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(HASH_BYTES)
    let carry = 0
    for (const [index, lane] of this.lanes.entries()) {
      const value = lane + carry
      bytes[index] = value % 256
      carry = Math.floor(value / 256)
    }
    return bytes
  }
}
