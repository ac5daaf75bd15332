import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

interface Peers {
  readonly python: string | null
  readonly sparkJars: readonly string[] | null
  readonly composeSchema: string | null
  readonly versitygw: string | null
  readonly missing: Readonly<Record<string, string>>
}

/** What `scripts/peers.mjs` found; a test that lacks its peer skips with the reason told there. */
export function readPeers(): Peers {
  const report = join(process.env['FIRN_CACHE'] ?? join(homedir(), '.cache', 'firn'), 'peers', 'peers.json')
  if (!existsSync(report)) {
    const reason = 'run `node scripts/peers.mjs` first'
    return {
      python: null,
      sparkJars: null,
      composeSchema: null,
      versitygw: null,
      missing: { python: reason, spark: reason, compose: reason, versitygw: reason, rck: reason },
    }
  }
  return JSON.parse(readFileSync(report, 'utf8')) as Peers
}
