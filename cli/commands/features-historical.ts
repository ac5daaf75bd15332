import type { Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
import { displayRow } from '../display-row.js'
import { integerOption } from '../integer-option.js'
import { withLake } from '../lake.js'
import { jsonSafe, printJson, printTable, type Cell } from '../output.js'

const LIMIT_DEFAULT = 10_000

interface Options {
  readonly entities: string
  readonly features?: string
  readonly service?: string
  readonly timestamp?: string
  readonly at?: string
  readonly fullNames?: true
  readonly knownLater?: true
  readonly limit: number
  readonly json?: true
}

/** `firn features historical`: features as they were known at a time of one's choice. */
export function addHistoricalCommand(features: Command): void {
  features
    .command('historical')
    .description(
      'features of entities as they were known at given times: the point-in-time join of trainings',
    )
    .argument('<pipeline>')
    .requiredOption(
      '--entities <sql>',
      'SELECT over tables of the pipeline that gives join keys and event_timestamp; its rows come back in their order',
    )
    .option('--features <references>', 'view:feature and view:*, separated by commas')
    .option('--service <name>', 'a feature service in their place')
    .option('--timestamp <column>', 'column of the time (default: event_timestamp)')
    .option('--at <tag>', 'read every table as it was at a tag (default: as they are)')
    .option('--full-names', 'columns are named view__feature')
    .option('--known-later', 'take rows too that became known only after the time')
    .option('--limit <rows>', 'largest number of rows to return', integerOption, LIMIT_DEFAULT)
    .option('--json', 'print an array of objects')
    .action(historical)
}

async function historical(pipeline: string, options: Options): Promise<void> {
  const { features, service, timestamp, at } = options
  if ((features === undefined) === (service === undefined)) {
    throw new FirnError('invalid-input', 'say what to join: give either --features or --service.')
  }
  const { getHistoricalFeatures } = await import('../../ml/pit/get-historical-features.js')
  await withLake(async ({ deps }) => {
    const joined = await getHistoricalFeatures(deps, {
      pipeline,
      entityRows: { sql: options.entities },
      features: service === undefined ? (features ?? '').split(',').map((text) => text.trim()) : { service },
      ...(timestamp === undefined ? {} : { timestampField: timestamp }),
      ...(at === undefined ? {} : { at }),
      ...(options.fullNames === true ? { fullFeatureNames: true } : {}),
      knownBy: options.knownLater !== true,
    })
    try {
      const { columns, rows } = await joined.toResult(options.limit)
      const shown = rows.map((row) => displayRow(row, columns))
      if (options.json === true) printJson(shown)
      else
        printTable(
          columns.map(({ name }) => name),
          shown.map((row) => columns.map(({ name }) => cell(row[name]))),
        )
    } finally {
      await joined.close()
    }
  })
}

function cell(value: unknown): Cell {
  if (value === null || value === undefined) return null
  return typeof value === 'object' ? JSON.stringify(value, jsonSafe) : (value as Cell)
}
