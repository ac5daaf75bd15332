import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import type { OrphanFile } from '../../iceberg/maintain/orphans.js'
import type { TableOrphansOptions } from '../../lake/maintain/table-orphans.js'
import { integerOption } from '../integer-option.js'
import { withLake } from '../lake.js'
import { formatBytes, jsonSafe, print } from '../output.js'

const HOUR_MS = 3_600_000

interface Options {
  readonly delete?: true
  readonly dryRun?: true
  readonly olderThan?: number
  readonly force?: true
  readonly location?: string
  readonly prefixMismatch: 'error' | 'ignore' | 'delete'
  readonly equalScheme?: Readonly<Record<string, string>>
  readonly equalAuthority?: Readonly<Record<string, string>>
  readonly json?: true
}

export function addMaintainOrphansCommand(maintain: Command): void {
  maintain
    .command('orphans')
    .description('files in the folders of tables that nothing names, one by one; --delete removes them')
    .argument('<tables...>', 'namespace.table')
    .option('--delete', 'delete them; otherwise nothing is changed')
    .option(
      '--older-than <hours>',
      'only files of that age (default: FIRN_ORPHAN_MIN_AGE_DAYS)',
      integerOption,
    )
    .option('--force', 'delete also what is younger than 24 hours: nobody may be writing')
    .option('--location <folder>', 'look there, not in the whole folder of the table')
    .addOption(
      new Option('--prefix-mismatch <what>', 'files that the table names under another scheme or authority')
        .choices(['error', 'ignore', 'delete'])
        .default('error'),
    )
    .option('--equal-scheme <from=to>', 'schemes that name the same store, such as s3a=s3', pairOption)
    .option('--equal-authority <from=to>', 'buckets or hosts that name the same store', pairOption)
    .option('--json', 'print a line of JSON for each file')
    // `maintain` takes options of its own name for itself, wherever they stand.
    .action((tables: readonly string[], _own: unknown, command: Command) =>
      orphans(tables, command.optsWithGlobals<Options>()),
    )
}

async function orphans(tables: readonly string[], options: Options): Promise<void> {
  const { tableOrphans } = await import('../../lake/maintain/table-orphans.js')
  const found = { files: 0, bytes: 0, failed: 0 }
  await withLake(async ({ deps }) => {
    for (const table of tables) {
      for await (const file of tableOrphans(deps, table, requestOf(options))) {
        if (file.result === 'failed') found.failed += 1
        if (file.result === 'deleted' || file.result === 'would-delete') {
          found.files += 1
          found.bytes += file.sizeBytes
        }
        printFile(table, file, options)
      }
    }
  })
  if (options.json !== true) {
    const what = `${found.files} orphans of ${formatBytes(found.bytes)}`
    print(willDelete(options) ? `deleted ${what}` : `${what}; --delete removes them`)
  }
  if (found.failed > 0) process.exitCode = 1
}

function willDelete(options: Options): boolean {
  return options.delete === true && options.dryRun !== true
}

function requestOf(options: Options): TableOrphansOptions {
  const { olderThan, location, equalScheme, equalAuthority } = options
  return {
    delete: willDelete(options),
    force: options.force === true,
    prefixMismatch: options.prefixMismatch,
    ...(olderThan !== undefined && { olderThanMs: olderThan * HOUR_MS }),
    ...(location !== undefined && { location }),
    ...(equalScheme && { equalSchemes: equalScheme }),
    ...(equalAuthority && { equalAuthorities: equalAuthority }),
  }
}

function printFile(table: string, file: OrphanFile, { json }: Options): void {
  const { location, sizeBytes, modifiedMs, result, error } = file
  const modified = new Date(modifiedMs).toISOString()
  if (json === true)
    print(JSON.stringify({ table, location, sizeBytes, modified, result, ...(error && { error }) }, jsonSafe))
  else print(`${result}  ${location}  ${formatBytes(sizeBytes)}, ${modified}${error ? `: ${error}` : ''}`)
}

/** Parser of an option that may come several times. */
function pairOption(
  text: string,
  known: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Give it as from=to.')
  return { ...known, [text.slice(0, at)]: text.slice(at + 1) }
}
