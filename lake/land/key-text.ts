import { isUtf8 } from 'node:buffer'

const BASE64 = 'base64:'

/** A record's key as text, or `base64:` and the bytes where they are no UTF-8; a text that begins so is written in base64 too. */
export function keyText(key: Uint8Array): string {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  const text = isUtf8(key) ? bytes.toString('utf8') : undefined
  return text === undefined || text.startsWith(BASE64) ? BASE64 + bytes.toString('base64') : text
}
