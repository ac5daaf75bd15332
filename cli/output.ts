/** Prints a value as JSON: 64-bit integers as strings where a double would round them, as numbers otherwise. */
export function printJson(value: unknown): void {
  process.stdout.write(`${escapeInvisible(JSON.stringify(value, jsonSafe, 2))}\n`)
}

/**
 * What a terminal may take for commands, or shows in another order than it stands, as \uXXXX; line feeds and tabs stay.
 * JSON means the same after it.
 */
export function escapeInvisible(text: string): string {
  const unit = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  return text.replace(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => char.split('').map(unit).join(''))
}

export function jsonSafe(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (typeof value !== 'bigint') return value
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value.toString()
}

export type Cell = string | number | bigint | boolean | null | undefined

/** Prints rows as aligned columns; numbers to the right, long cells cut to the terminal. */
export function printTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const texts = rows.map((row) => row.map(cellText))
  const widths = columns.map((column, i) =>
    texts.reduce((width, row) => Math.max(width, (row[i] ?? '').length), column.length),
  )
  const numeric = columns.map(
    (_, i) =>
      rows.length > 0 && rows.every((row) => typeof row[i] === 'number' || typeof row[i] === 'bigint'),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (numeric[i] === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
  const width = (process.stdout.isTTY && process.stdout.columns) || Number.POSITIVE_INFINITY
  for (const text of [line(columns), line(widths.map((w) => '─'.repeat(w))), ...texts.map(line)]) {
    process.stdout.write(`${text.length > width ? `${text.slice(0, width - 1)}…` : text.trimEnd()}\n`)
  }
}

/** A title over what follows; bold on a terminal. */
export function printHeading(text: string): void {
  print(process.stdout.isTTY ? `\n\x1b[1m${text}\x1b[0m` : `\n${text}`)
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return '—'
  if (typeof cell === 'number' && Number.isInteger(cell)) return cell.toLocaleString('en-US')
  if (typeof cell === 'number') return String(Number(cell.toPrecision(6)))
  // Data may hold line feeds, or what a terminal takes for commands.
  return escapeInvisible(String(cell).replace(/[\n\t]/g, (control) => JSON.stringify(control).slice(1, -1)))
}

/** A table under a heading; nothing where it has no rows. */
export function printSection(
  title: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
): void {
  if (rows.length === 0) return
  printHeading(title)
  printTable(columns, rows)
}

export function formatBytes(bytes: number | null): string {
  if (bytes === null) return '—'
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1)
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power] ?? ''}`
}
