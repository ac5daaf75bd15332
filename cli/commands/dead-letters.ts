import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { LetterId } from '../../lake/dead-letters/letter-id.js'
import type { LetterSelection } from '../../lake/dead-letters/read-letters.js'
import { batchIdOf, parseBatchId } from '../../schemas/batch.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { readConfig } from '../../workers/config.js'
import { askFirst } from '../ask-first.js'
import type { SelectionOptions } from '../dead-letter-selection.js'
import { addSelectionOptions, chosenOf, selectionOf } from '../dead-letter-selection.js'
import { integerOption } from '../integer-option.js'
import { interruptible } from '../interruption.js'
import { hasLake, noLake, withLake } from '../lake.js'
import { print, printJson } from '../output.js'
import { printCounts, printLetter, printLetterList, printReplay, recordText } from '../print-letters.js'
import { startProgress } from '../progress.js'

interface Options extends SelectionOptions {
  readonly limit: number
  readonly pipeline?: string
  readonly asBatch?: string
  readonly full?: true
  readonly dryRun?: true
  readonly yes?: true
  readonly reason?: string
  readonly json?: true
}

export function addDeadLettersCommand(program: Command): void {
  const letters = program
    .command('dead-letters')
    .description('records that broke the contract of their source: why, and landing them after all')
  addSelectionOptions(
    letters.command('list').description('how many there are of which cause, and the newest'),
  )
    .option('--limit <letters>', 'at most so many letters are listed', integerOption, 20)
    .option('--json', 'print {total, counts, letters}')
    .action(list)
  letters
    .command('show')
    .description('everything about one letter, the record and the contract it broke included')
    .argument('<id>', 'as `list` prints it')
    .option('--pipeline <name>', 'whose contract, where pipelines declare the source differently')
    .option('--full', 'print the whole record')
    .option('--json', 'print it as JSON, the record as text and in base64')
    .action(show)
  addSelectionOptions(
    letters
      .command('replay')
      .description(
        'check them against the contract as it is now, and land those that keep it; the others stay',
      )
      .argument('[ids...]', 'as `list` prints them'),
  )
    .option('--all', 'all letters there are')
    .option('--pipeline <name>', 'whose contract, where pipelines declare the source differently')
    .option('--as-batch <id>', 'batch that they are landed as (default: now)')
    .option('--dry-run', 'check them and change nothing')
    .option('--json', 'print what became of the letters of each source')
    .action(replay)
  addSelectionOptions(
    letters
      .command('drop')
      .description('delete them for good, after saying what dies')
      .argument('[ids...]', 'as `list` prints them'),
  )
    .option('--all', 'all letters there are')
    .option('--reason <text>', 'kept in the snapshot that deletes them')
    .option('--yes', 'ask nothing')
    .option('--dry-run', 'say what would be deleted')
    .option('--json', 'print {letters, counts, dropped, snapshotId}')
    .action(drop)
}

async function list(options: Options): Promise<void> {
  const selection = selectionOf(options)
  const { listLetters } = await import('../../lake/dead-letters/list-letters.js')
  const found = hasLake(readConfig())
    ? await withLake(({ deps }) => listLetters(deps, selection, { limit: options.limit }))
    : { total: 0, counts: [], letters: [] }
  if (options.json === true) printJson(found)
  else printLetterList(found)
}

async function show(id: string, options: Options): Promise<void> {
  const [letterId] = await parseIds([id])
  const { showLetter } = await import('../../lake/dead-letters/show-letter.js')
  await withLetters(async (deps) => {
    const letters = letterId === undefined ? [] : await showLetter(deps, letterId, options.pipeline)
    if (options.json === true) {
      printJson(
        letters.map(({ raw, ...rest }) => ({
          ...rest,
          raw: recordText(raw),
          rawBase64: Buffer.from(raw).toString('base64'),
        })),
      )
    } else for (const letter of letters) printLetter(letter, { full: options.full === true })
  })
}

async function replay(ids: readonly string[], options: Options): Promise<void> {
  const selection = chosenOf(await parseIds(ids), options)
  const batch = options.asBatch === undefined ? undefined : parseBatchId(options.asBatch)
  const { replayLetters } = await import('../../lake/dead-letters/replay-letters.js')
  const dryRun = options.dryRun === true
  const sources = await withLetters(async (deps) => {
    await refuseMissing(deps, selection)
    const progress = startProgress('replay dead letters')
    try {
      const done = await interruptible((signal) =>
        replayLetters(
          deps,
          {
            selection,
            dryRun,
            batch: batch ?? batchIdOf(new Date(deps.now())),
            ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
          },
          { signal, onProgress: (text) => progress.update(text) },
        ),
      )
      progress.done()
      return done
    } catch (error) {
      progress.failed()
      throw error
    }
  })
  if (options.json === true) printJson(sources)
  else printReplay(sources, dryRun)
  if (sources.some(({ stayed }) => stayed > 0)) process.exitCode = 1
}

async function drop(ids: readonly string[], options: Options): Promise<void> {
  const selection = chosenOf(await parseIds(ids), options)
  const { planDrop, dropLetters } = await import('../../lake/dead-letters/drop-letters.js')
  await withLetters(async (deps) => {
    await refuseMissing(deps, selection)
    const plan = await planDrop(deps, selection)
    const { letters, counts } = plan
    if (options.json !== true) {
      if (letters === 0) print('no dead letters are selected: nothing was dropped')
      else printCounts(counts)
    }
    const goes = letters > 0 && options.dryRun !== true && (options.yes === true || (await isSure(letters)))
    const why = { reason: options.reason ?? 'not said', by: userInfo().username }
    const result = goes ? await dropLetters(deps, plan, why) : { dropped: 0, snapshotId: null }
    if (options.json === true) printJson({ letters, counts, ...result })
    else if (goes) print(`dropped ${result.dropped} letters`)
    else if (letters > 0)
      print(options.dryRun === true ? `${letters} letters would be dropped` : 'nothing was dropped')
  })
}

async function isSure(letters: number): Promise<boolean> {
  return await askFirst(
    `delete these ${letters} letters for good?`,
    `${letters} dead letters would be deleted for good`,
  )
}

async function withLetters<T>(use: (deps: LakeDeps) => Promise<T>): Promise<T> {
  const config = readConfig()
  if (!hasLake(config)) noLake(config)
  return await withLake(({ deps }) => use(deps))
}

async function parseIds(ids: readonly string[]): Promise<readonly LetterId[]> {
  const { parseLetterId } = await import('../../lake/dead-letters/letter-id.js')
  return ids.map(parseLetterId)
}

/** Letters that are named have to be there; a selection may be empty. */
async function refuseMissing(deps: LakeDeps, { ids = [] }: LetterSelection): Promise<void> {
  if (ids.length === 0) return
  const { listLetters } = await import('../../lake/dead-letters/list-letters.js')
  const { formatLetterId } = await import('../../lake/dead-letters/letter-id.js')
  const { noSuchLetters } = await import('../../lake/dead-letters/show-letter.js')
  const { letters } = await listLetters(deps, { ids }, { limit: 20 * ids.length })
  const there = new Set(letters.map(({ id }) => id))
  const missing = ids.filter((id) => !there.has(formatLetterId(id)))
  if (missing.length > 0) throw noSuchLetters(missing)
}
