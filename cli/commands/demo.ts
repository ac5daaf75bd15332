import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
import { readConfig, type FirnConfig } from '../../workers/config.js'
import { runDemo } from '../demo/run-demo.js'
import { printSummary, summaryJson } from '../demo/summary.js'
import { print, printJson } from '../output.js'
import { withOwnServer } from '../temporal-session.js'
import { untilStopped } from '../until-stopped.js'

const MARKER = 'demo.json'

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('the whole loop on 60 real documents: land, build, check, publish, train, score, maintain')
    .option('--keep', 'stay up afterwards, with Temporal’s UI to look at')
    .option('--json', 'print the summary as JSON')
    .action(async (options: { keep?: true; json?: true }) => {
      const config = readConfig()
      prepareHome(config)
      await withOwnServer(
        config,
        async (session) => {
          const summary = await runDemo(session)
          if (options.json === true) printJson(summaryJson(summary))
          else printSummary(summary, { home: config.home, uiUrl: session.uiUrl, keep: options.keep === true })
          if (options.keep !== true) return
          print(`\nStaying up: ${session.uiUrl}. Ctrl-C stops it.`)
          await Promise.race([untilStopped(), session.workersDone])
        },
        { announce: true },
      )
    })
}

/** The demo starts from an empty lake: it clears one that a demo made, and leaves any other alone. */
function prepareHome(config: FirnConfig): void {
  const marker = join(config.home, MARKER)
  if (existsSync(config.catalogPath) && !existsSync(marker)) {
    throw new FirnError(
      'invalid-input',
      `${config.home} holds a lake that the demo did not make. Set FIRN_HOME to another folder for the demo.`,
    )
  }
  if (existsSync(marker)) rmSync(config.home, { recursive: true })
  mkdirSync(config.home, { recursive: true })
  writeFileSync(marker, '{"madeBy":"firn demo"}\n')
}
