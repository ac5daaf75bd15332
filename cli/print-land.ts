import type { LandResult } from '../schemas/messages.js'
import { landedNothing } from '../workflows/add-landed.js'
import { formatBytes, print } from './output.js'

/** What landed, and where to look at what could not. */
export function printLand(result: LandResult): void {
  const { files, records, bytes, deadLetters, lag, warnings = [] } = result
  const from = lag === undefined ? `from ${files} files` : 'of the topic'
  print(
    landedNothing(result)
      ? 'landed nothing new'
      : `landed ${records} records (${formatBytes(bytes)}) ${from}, ${deadLetters} dead letters`,
  )
  if ((lag ?? 0) > 0) print(`  ${lag} records came since: land again, or keep up with \`firn stream\``)
  if (deadLetters > 0) print('  why: firn dead-letters list')
  for (const warning of warnings) print(`! ${warning}`)
}
