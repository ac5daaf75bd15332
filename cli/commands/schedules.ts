import type { Command } from 'commander'
import { interruptible } from '../interruption.js'
import { withLake } from '../lake.js'
import { printJson, printTable } from '../output.js'

export function addSchedulesCommand(program: Command): void {
  program
    .command('schedules')
    .description('nightly runs of the pipelines')
    .command('apply')
    .description('bring the Schedules on the server in line with the pipelines')
    .option('--json', 'print [{id, change, cron, timezone}]')
    .action(async (options: { json?: true }) => {
      const { applySchedules } = await import('../../workers/schedules.js')
      const { withTemporal } = await import('../temporal-session.js')
      const applied = await interruptible((signal) =>
        withTemporal(
          ({ client }) => withLake(({ deps }) => applySchedules(client, deps.pipelines.values())),
          { signal },
        ),
      )
      if (options.json === true) printJson(applied)
      else
        printTable(
          ['schedule', 'change', 'cron', 'time zone'],
          applied.map((s) => [s.id, s.change, s.cron, s.timezone]),
        )
    })
}
