import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

interface Peers {
  readonly python: string | null
  /** Python with XGBoost, scikit-learn, pandas, PyArrow and Temporal's SDK. */
  readonly mlPython: string | null
  readonly sparkJars: readonly string[] | null
  /** Settings of a session with those jars. */
  readonly spark: Readonly<Record<string, string>> | null
  readonly composeSchema: string | null
  readonly versitygw: string | null
  readonly missing: Readonly<Record<string, string>>
}

/** What `scripts/peers.mjs` found; a test that lacks its peer skips with the reason told there. */
export function readPeers(): Peers {
  const report = join(process.env['FIRN_CACHE'] ?? join(homedir(), '.cache', 'firn'), 'peers', 'peers.json')
  const found = existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as Peers) : undefined
  // A report of an older version knows less.
  if (found !== undefined && 'spark' in found) return found
  const reason = 'run `node scripts/peers.mjs` first'
  return {
    python: null,
    mlPython: null,
    sparkJars: null,
    spark: null,
    composeSchema: null,
    versitygw: null,
    missing: { python: reason, ml: reason, spark: reason, compose: reason, versitygw: reason, rck: reason },
  }
}
