import type { Command } from 'commander'
import { readConfig } from '../../workers/config.js'
import { applySchedules } from '../../workers/schedules.js'
import { integerOption } from '../integer-option.js'
import { print, printJson } from '../output.js'
import { startProgress } from '../progress.js'
import { untilStopped } from '../until-stopped.js'
import { withOwnServer } from '../temporal-session.js'

const PORT_DEFAULT = 7233
const UI_PORT_DEFAULT = 8233

export function addDevCommand(program: Command): void {
  program
    .command('dev')
    .description(
      'start a Temporal dev server with its UI and a worker on this lake, apply the schedules, and stay up',
    )
    .option('--port <n>', 'port of the server', integerOption, PORT_DEFAULT)
    .option('--ui-port <n>', 'port of the UI', integerOption, UI_PORT_DEFAULT)
    .option('--no-schedules', 'leave the schedules as they are')
    .option('--json', 'print the addresses as JSON')
    .action(async (options: { port: number; uiPort: number; schedules: boolean; json?: true }) => {
      const progress = startProgress('starting')
      await withOwnServer(
        readConfig(),
        async ({ client, config, uiUrl, lake, workersDone }) => {
          const schedules = options.schedules
            ? await applySchedules(client, lake.deps.pipelines.values())
            : []
          progress.done()
          const address = `127.0.0.1:${options.port}`
          if (options.json === true) printJson({ home: config.home, address, uiUrl, schedules })
          else {
            print(`lake        ${config.home}\nTemporal    ${address}\nUI          ${uiUrl}`)
            for (const schedule of schedules)
              print(`schedule    ${schedule.id}  ${schedule.cron} ${schedule.timezone}`)
            print('\nOther commands on this lake use this server. Ctrl-C stops it.')
          }
          await Promise.race([untilStopped(), workersDone])
        },
        { port: options.port, uiPort: options.uiPort, announce: true },
      )
    })
}
