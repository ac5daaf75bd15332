import { createHash } from 'node:crypto'

const MAX_LENGTH = 250

/**
 * A name of a metric or parameter as MLflow takes it (letters, digits, `_-. :/`, and no path that leads elsewhere): other
 * characters are written `_x<hex>_`, and what is too long then ends in a digest.
 */
export function mlflowKey(key: string): string {
  const isPath = key.split('/').some((part) => part === '' || part === '.' || part === '..')
  const forbidden = isPath ? /[^\w\- :]/gu : /[^\w\-. :/]/gu
  const escaped = key.replace(forbidden, (char) => `_x${(char.codePointAt(0) ?? 0).toString(16)}_`)
  if (escaped.length <= MAX_LENGTH) return escaped
  const digest = createHash('sha256').update(key).digest('hex').slice(0, 16)
  return `${escaped.slice(0, MAX_LENGTH - 17)}_${digest}`
}
