import type { Command } from 'commander'
import { readConfig } from '../../workers/config.js'
import { integerOption } from '../integer-option.js'
import { aborted, interruptible } from '../interruption.js'
import { print, printJson } from '../output.js'
import { startProgress } from '../progress.js'

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
    .action(stayUp)
}

interface Options {
  readonly port: number
  readonly uiPort: number
  readonly schedules: boolean
  readonly json?: true
}

async function stayUp({ port, uiPort, schedules: apply, json }: Options): Promise<void> {
  const { withOwnServer } = await import('../own-server.js')
  const { applySchedules } = await import('../../workers/schedules.js')
  const progress = startProgress('starting')
  await interruptible(async (signal) => {
    const session = { port, uiPort, announce: true, signal }
    await withOwnServer(
      readConfig(),
      async ({ client, config, uiUrl, address, lake }) => {
        const schedules = apply ? await applySchedules(client, lake.deps.pipelines.values()) : []
        progress.done()
        if (json === true) printJson({ home: config.home, address, uiUrl, schedules })
        else {
          print(`lake        ${config.home}\nTemporal    ${address}\nUI          ${uiUrl}`)
          for (const { id, cron, timezone } of schedules) print(`schedule    ${id}  ${cron} ${timezone}`)
          print('\nOther commands on this lake use this server. Ctrl-C stops it.')
        }
        await aborted(signal)
      },
      session,
    )
  })
}
