import type { LandResult } from '../schemas/messages.js'
import { formatBytes, print } from './output.js'

/** What landed, and where to look at what could not. */
export function printLand({ files, records, bytes, deadLetters, warnings = [] }: LandResult): void {
  print(
    files === 0
      ? 'landed nothing new'
      : `landed ${records} records (${formatBytes(bytes)}) from ${files} files, ${deadLetters} dead letters`,
  )
  if (deadLetters > 0) print('  why: firn sql "SELECT path, error_kind, message FROM raw.dead_letters"')
  for (const warning of warnings) print(`! ${warning}`)
}
