import type { Command } from 'commander'
import { integerOption } from '../integer-option.js'
import { hasLake, withLake } from '../lake.js'
import { print, printJson, printTable } from '../output.js'
import { readConfig } from '../../workers/config.js'

interface Options {
  readonly pipeline?: string
  readonly kind?: string
  readonly limit: number
  readonly json?: true
}

export function addAlertsCommand(program: Command): void {
  const alerts = program.command('alerts').description('what the nights told of by themselves')
  alerts
    .command('list')
    .description('newest first')
    .option('--pipeline <name>', 'of this pipeline only')
    .option('--kind <kind>', 'batch-failed, night-failed, missed-night, late-source, maintenance-failed')
    .option('--limit <alerts>', 'at most so many', integerOption, 20)
    .option('--json', 'print the alerts')
    .action(list)
  alerts
    .command('test')
    .description('raise an alert that says nothing, to see that the webhook of FIRN_ALERT_WEBHOOK works')
    .option('--json', 'print {raised, webhook}')
    .action(test)
}

async function list({ pipeline, kind, limit, json }: Options): Promise<void> {
  const { listAlerts } = await import('../../lake/alerts/list-alerts.js')
  const selection = {
    limit,
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(kind === undefined ? {} : { kind }),
  }
  const found = hasLake(readConfig()) ? await withLake(({ deps }) => listAlerts(deps, selection)) : []
  if (json === true) printJson(found)
  else if (found.length === 0) print('no such alerts')
  else
    printTable(
      ['raised', 'kind', 'pipeline', 'batch', 'webhook', 'message'],
      found.map((one) => [one.raisedAt, one.kind, one.pipeline, one.batch, one.webhook, one.message]),
    )
}

async function test({ json }: Options): Promise<void> {
  const { raiseAlerts } = await import('../../lake/alerts/raise-alerts.js')
  const result = await withLake(({ deps }) => {
    const startedAtMs = deps.now()
    const alert = {
      key: `test/${deps.newUuid()}`,
      kind: 'test' as const,
      message: 'a test: alerts arrive. There is nothing to do.',
    }
    const run = { workflowId: 'firn alerts test', runId: '', startedAtMs }
    const ports = deps.webhook === undefined ? {} : { webhook: deps.webhook }
    return raiseAlerts(deps, { alerts: [alert], run }, ports)
  })
  if (json === true) printJson(result)
  else if (result.webhook === 'none') print('recorded; FIRN_ALERT_WEBHOOK is not set, so nothing was posted')
  else print(`recorded; webhook: ${result.webhook}`)
  if (result.webhook.startsWith('failed')) process.exitCode = 1
}
