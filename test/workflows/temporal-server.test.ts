import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { connectWorker } from '../../workers/connection.js'
import { ensureSearchAttributes } from '../../workers/search-attributes.js'
import { findTemporalServer, startDevServer } from '../../workers/temporal-server.js'

const folder = mkdtempSync(join(tmpdir(), 'firn-temporal-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function program(name: string): string {
  const path = join(folder, name)
  writeFileSync(path, '#!/bin/sh\n')
  chmodSync(path, 0o755)
  return path
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('the Temporal dev server', () => {
  it('is found by its setting, then on PATH, then in the cache', () => {
    const path = program('temporal')
    expect(findTemporalServer({ FIRN_TEMPORAL_BIN: path, PATH: '/nowhere' })).toBe(path)
    expect(findTemporalServer({ PATH: folder })).toBe(path)
    expect(findTemporalServer({ PATH: '/nowhere', FIRN_CACHE: '/nowhere' })).toBeUndefined()
  })

  it('is refused with its path when the setting names no program', () => {
    expect(() => findTemporalServer({ FIRN_TEMPORAL_BIN: '/no/such' })).toThrow(
      /FIRN_TEMPORAL_BIN.*\/no\/such/,
    )
  })

  it('starts twice on one database file with the search attributes known, and ends when stopped', async () => {
    const dbFile = join(folder, 'temporal.db')
    for (let start = 0; start < 2; start += 1) {
      const server = await startDevServer({ dbFile })
      const connection = await connectWorker({ address: server.address, namespace: 'default' })
      const { customAttributes } = await connection.operatorService.listSearchAttributes({
        namespace: 'default',
      })
      expect(Object.keys(customAttributes)).toEqual(
        expect.arrayContaining(['FirnPipeline', 'FirnBatch', 'FirnStage', 'FirnStatus']),
      )
      await ensureSearchAttributes(connection, 'default')
      expect((await fetch(server.uiUrl)).status).toBe(200)
      await connection.close()
      await server.stop()
      await server.stop()
      expect(isAlive(server.pid)).toBe(false)
    }
  })

  it('ends with the process that started it, also when that one is killed', async () => {
    const server = JSON.stringify(compiledEntry('workers/temporal-server').href)
    const script = `const { startDevServer } = await import(${server}); console.log((await startDevServer()).pid); setInterval(() => {}, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (text) => resolve(Number(text))),
    )
    expect(isAlive(pid)).toBe(true)
    parent.kill('SIGKILL')
    await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false)
  })

  it('says who does not answer where no server is', async () => {
    await expect(connectWorker({ address: '127.0.0.1:1', namespace: 'default' })).rejects.toThrow(
      /no Temporal server answers at 127.0.0.1:1.*TEMPORAL_ADDRESS/,
    )
  })
})
