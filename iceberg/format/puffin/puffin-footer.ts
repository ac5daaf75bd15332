import { IcebergError } from '../../error.js'
import { parseJson } from '../../spec/json.js'
import { asNumber, asNumbers, asObject, asObjects, asString, asStringMap } from '../../spec/json-value.js'
import type { SnapshotId } from '../../spec/snapshot.js'
import { toSnapshotId } from '../../spec/snapshot.js'

/** Puffin spec, "Footer payload". */
export interface PuffinFooter {
  readonly blobs: readonly PuffinBlob[]
  readonly properties: Readonly<Record<string, string>>
}

/** Where one blob of a Puffin file lies, and what it is of. */
export interface PuffinBlob {
  /** E.g. `deletion-vector-v1`, `apache-datasketches-theta-v1`. */
  readonly type: string
  readonly fields: readonly number[]
  /** -1 where the blob is of no snapshot yet, as deletion vectors are. */
  readonly snapshotId: SnapshotId
  readonly sequenceNumber: number
  readonly offset: number
  readonly length: number
  readonly compressionCodec?: string
  readonly properties: Readonly<Record<string, string>>
}

const MAGIC = 'PFA1'
/** The payload's size, the flags and the magic number that a file ends with. */
const TAIL_BYTES = 12

/** The footer of a Puffin file. `bytes` are the file or its end. Throws `data-invalid`; `unsupported` where it is packed. */
export function parsePuffinFooter(bytes: Uint8Array): PuffinFooter {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const end = buffer.length - TAIL_BYTES
  if (end < MAGIC.length || magicAt(buffer, buffer.length - 4) !== MAGIC) {
    throw damaged('it does not end with PFA1')
  }
  const start = end - buffer.readUInt32LE(end)
  if (start < MAGIC.length || magicAt(buffer, start - 4) !== MAGIC) throw damaged('its length is wrong')
  if (buffer[end + 4] !== 0) {
    throw new IcebergError(
      'unsupported',
      'the Puffin footer is packed with lz4: write it without compression',
    )
  }
  const footer = asObject(parseJson(buffer.toString('utf8', start, end)), 'Puffin footer')
  return {
    blobs: asObjects(footer['blobs'], 'blobs').map((blob) => {
      const codec = blob['compression-codec']
      return {
        type: asString(blob['type'], 'type'),
        fields: asNumbers(blob['fields'], 'fields'),
        snapshotId: snapshotIdOf(blob['snapshot-id']),
        sequenceNumber: asNumber(blob['sequence-number'], 'sequence-number'),
        offset: asNumber(blob['offset'], 'offset'),
        length: asNumber(blob['length'], 'length'),
        ...(codec === undefined || codec === null ? {} : { compressionCodec: asString(codec, 'codec') }),
        properties: asStringMap(blob['properties'], 'properties'),
      }
    }),
    properties: asStringMap(footer['properties'], 'properties'),
  }
}

function snapshotIdOf(value: unknown): SnapshotId {
  if (typeof value === 'bigint' || typeof value === 'number') return toSnapshotId(value)
  throw damaged('a snapshot-id is missing')
}

function magicAt(buffer: Buffer, at: number): string {
  return buffer.toString('latin1', at, at + 4)
}

function damaged(reason: string): IcebergError {
  return new IcebergError('data-invalid', `the Puffin footer is damaged: ${reason}`)
}
