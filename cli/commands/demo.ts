import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { FirnError } from '../../schemas/error.js'
import { readConfig, type FirnConfig } from '../../workers/config.js'
import { aborted, interruptible } from '../interruption.js'
import { printJson } from '../output.js'

const MARKER = 'demo.json'

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('the whole loop on 60 real documents: land, build, check, publish, train, score, maintain')
    .option('--keep', 'stay up afterwards, with Temporal’s UI to look at')
    .option('--json', 'print the summary as JSON')
    .action(demo)
}

async function demo({ keep = false, json = false }: { keep?: boolean; json?: boolean }): Promise<void> {
  const config = readConfig()
  const { serverProcess, withOwnServer } = await import('../temporal-session.js')
  prepareHome(config, serverProcess(config))
  const { runDemo } = await import('../demo/run-demo.js')
  const { printSummary, summaryJson } = await import('../demo/summary.js')
  await interruptible((signal) =>
    withOwnServer(
      config,
      async (session) => {
        const summary = await runDemo(session, signal)
        if (json) printJson(summaryJson(summary))
        else printSummary(summary, { home: config.home, uiUrl: session.uiUrl, keep })
        if (!keep) return
        process.stderr.write(`\nStaying up: ${session.uiUrl}. Ctrl-C stops it.\n`)
        await aborted(signal)
      },
      { announce: true, signal },
    ),
  )
}

/** The demo starts from an empty lake: it clears one that a demo made, and leaves any other alone. */
function prepareHome(config: FirnConfig, server: number | undefined): void {
  if (server !== undefined) {
    throw new FirnError(
      'invalid-input',
      `another command works on ${config.home} (process ${server}): end it first, or set FIRN_HOME to another folder.`,
    )
  }
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
