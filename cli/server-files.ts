import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRunning } from '../engine/running-process.js'
import type { FirnConfig } from '../workers/config.js'

type Home = Pick<FirnConfig, 'home'>

/** What a running dev server leaves in the lake's folder, so that other commands find it. */
interface RunningServer {
  readonly pid: number
  readonly address: string
  readonly uiUrl: string
}

/** The announced server; undefined where none is, or where its process ended without a word. */
export function announcedServer(home: Home): RunningServer | undefined {
  const server = readJson(serverFile(home)) as RunningServer | undefined
  return server !== undefined && isRunning(server.pid) ? server : undefined
}

/** Lets other commands find this process's server. Returns how to withdraw it. */
export function announceServer(home: Home, server: Omit<RunningServer, 'pid'>): () => void {
  writeFileSync(serverFile(home), JSON.stringify({ pid: process.pid, ...server }))
  return () => rmSync(serverFile(home), { force: true })
}

/** Process that runs a dev server on this lake; undefined where none does. */
export function serverProcess(home: Home): number | undefined {
  const owner = announcedServer(home)?.pid ?? readJson(lockFile(home))
  return typeof owner === 'number' && isRunning(owner) ? owner : undefined
}

/** Where a dev server keeps its history. */
export function historyFile({ home }: Home): string {
  return join(home, 'temporal.db')
}

/**
 * One dev server at a time keeps its history in `temporal.db`; another command beside it works in memory. Returns how
 * to give the file free, or undefined where somebody else has it.
 */
export function lockHistory(home: Home): (() => void) | undefined {
  const path = lockFile(home)
  const owner = readJson(path)
  if (typeof owner === 'number' && !isRunning(owner)) rmSync(path, { force: true })
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' })
  } catch {
    return undefined
  }
  return () => rmSync(path, { force: true })
}

function lockFile({ home }: Home): string {
  return join(home, 'temporal.lock')
}

function serverFile({ home }: Home): string {
  return join(home, 'temporal.json')
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
