import { isUtf8 } from 'node:buffer'
import type { LetterCount, LetterList } from '../lake/dead-letters/list-letters.js'
import type { ReplayedSource } from '../lake/dead-letters/replay-letters.js'
import type { ShownLetter } from '../lake/dead-letters/show-letter.js'
import { escapeInvisible, formatBytes, print, printTable } from './output.js'

const MESSAGE_LENGTH = 60
/** So much of a record is printed where not all of it is asked for. */
const SHOWN_BYTES = 4096

export function printLetterList({ total, counts, letters }: LetterList): void {
  if (total === 0) {
    print('no dead letters')
    return
  }
  printCounts(counts)
  if (letters.length === 0) return
  print('')
  printTable(
    ['letter', 'batch', 'file', 'cause', 'at', 'message'],
    letters.map((l) => [l.id, l.batch, l.path, l.kind, l.documentPath, cut(l.message)]),
  )
  const more = total - letters.length
  if (more > 0) print(`… and ${more.toLocaleString('en-US')} more; --limit shows more of them`)
}

export function printCounts(counts: readonly LetterCount[]): void {
  printTable(
    ['source', 'cause', 'letters', 'size', 'newest landing'],
    counts.map((c) => [c.source, c.kind, c.letters, formatBytes(c.bytes), c.newestLandedAt]),
  )
}

export function printLetter(letter: ShownLetter, { full }: { readonly full: boolean }): void {
  const { contract, breaks, raw } = letter
  const line = (name: string, value: string | number | null): void => {
    if (value !== null) print(`${name.padEnd(10)} ${escapeInvisible(String(value))}`)
  }
  line('letter', letter.id)
  line('batch', `${letter.batch} (landed ${letter.landedAt})`)
  line('file', letter.path)
  line('key', letter.key)
  line('timestamp', letter.timestamp)
  line('cause', `${letter.kind}: ${letter.message}`)
  line('at', letter.documentPath ?? 'the document as a whole')
  if (contract === null)
    line('contract', 'no pipeline reads this source now, or several declare it differently')
  else {
    line(
      'contract',
      `pipeline ${contract.pipeline}, mode ${contract.contract ?? 'evolve'}, identity ${contract.identity.join(', ')}`,
    )
    line(
      'fields',
      Object.entries(contract.schema)
        .map(([name, type]) => `${name}: ${type}`)
        .join(', '),
    )
    line('now', breaks === null ? 'it keeps the contract: a replay lands it' : `still ${problemText(breaks)}`)
  }
  const shown = full ? raw : raw.subarray(0, SHOWN_BYTES)
  const more = raw.length > shown.length ? `, the first ${shown.length}; --full prints all` : ''
  print(`\nrecord of ${raw.length} bytes${more}:\n${recordText(shown)}`)
}

/** The bytes as text that is safe to print; bytes that are no UTF-8 as \xNN. */
export function recordText(raw: Uint8Array): string {
  if (isUtf8(raw)) return escapeInvisible(Buffer.from(raw).toString('utf8'))
  // Latin-1 maps every byte to one character, so what is no UTF-8 can be told byte by byte.
  const text = Buffer.from(raw).toString('latin1')
  return escapeInvisible(text.replace(/[\u0080-\u00ff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`))
}

export function printReplay(sources: readonly ReplayedSource[], dryRun: boolean): void {
  if (sources.length === 0) print('no dead letters are selected: nothing was replayed')
  for (const { source, batch, replayed, landedBefore, stayed, staying, objects } of sources) {
    const done = dryRun ? 'would be replayed' : `replayed as batch ${batch} in ${objects} objects`
    const before = landedBefore === 0 ? '' : `, ${landedBefore} were landed before`
    print(`${source}: ${replayed} ${done}${before}, ${stayed} stay`)
    for (const letter of staying.slice(0, 10)) print(`  ${letter.id}: ${problemText(letter)}`)
    if (stayed > 10) print(`  … and ${stayed - 10} more; --json tells the first hundred`)
    if (!dryRun && replayed > 0) print('  the next build reads them: firn build')
  }
}

function problemText(problem: { kind: string; message: string; documentPath: string } | undefined): string {
  if (problem === undefined) return ''
  const at = problem.documentPath === '' ? '' : ` at ${problem.documentPath}`
  return escapeInvisible(`${problem.kind}${at}: ${problem.message}`)
}

function cut(text: string): string {
  return text.length <= MESSAGE_LENGTH ? text : `${text.slice(0, MESSAGE_LENGTH - 1)}…`
}
