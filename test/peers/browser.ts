import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'
import { isExecutable } from '../../workers/temporal-server.js'

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome']

/** A Chromium of this machine: CHROMIUM_PATH, else the first of the usual names on PATH; undefined where there is none. */
export function findBrowser(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const found = PROGRAMS.flatMap((program) => [...folders, '/usr/bin'].map((folder) => join(folder, program)))
  return [...(env['CHROMIUM_PATH'] ? [env['CHROMIUM_PATH']] : found)].find(isExecutable)
}

/** Without a window, and without a word to anybody but the pages it is sent to. */
export function openBrowser(executablePath: string): Promise<Browser> {
  const flags = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking']
  return chromium.launch({ executablePath, headless: true, args: flags })
}
