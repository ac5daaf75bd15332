import * as crypto from 'node:crypto'

/** SHA-256 as a text of 32 characters, one a byte: an array a row would cost more than the hash. */
export const sha256Text: (bytes: Uint8Array) => string =
  // Node has it from 20.12 on.
  (crypto.hash as typeof crypto.hash | undefined) === undefined
    ? (bytes) => crypto.createHash('sha256').update(bytes).digest('binary')
    : (bytes) => crypto.hash('sha256', bytes, 'binary')
