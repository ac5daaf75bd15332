import type { BuildFeaturesResult } from '../schemas/messages.js'
import { print, printTable } from './output.js'

/** Letters; `audit.check_results` holds more. */
const SAMPLE_MAX = 120

/** What a batch published, or why it did not. */
export function printBuild(result: BuildFeaturesResult): void {
  if (result.status === 'no_changes') {
    print(`nothing new since the last batch: nothing written`)
    return
  }
  const broken = (result.checks?.results ?? []).filter((check) => !check.passed)
  for (const { name, severity, failingRows, sample } of broken) {
    const first = sample === undefined ? '' : `, such as ${sample.slice(0, SAMPLE_MAX)}`
    print(`${severity === 'blocking' ? '✗' : '!'} check ${name}: ${failingRows} rows${first}`)
  }
  if (result.publish === undefined) return
  const { publish } = result
  const what =
    publish.status === 'failed'
      ? 'failed its checks; its files are on branch'
      : publish.alreadyCommitted
        ? 'was published before with tag'
        : 'is published with tag'
  print(`batch ${publish.batch} ${what} ${publish.tag} (${publish.duplicates} duplicates left out)`)
  printTable(
    ['table', 'new rows', 'version', 'snapshot'],
    publish.tables.map((t) => [t.table, t.rows, t.version, t.snapshotId]),
  )
}
