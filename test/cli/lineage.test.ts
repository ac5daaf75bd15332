import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toLocalPath } from '../../iceberg/io/location.js'
import type { VersionLineage } from '../../ml/lineage/version-lineage.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { ReproduceResult } from '../../schemas/model-messages.js'
import { runFirn, type Ended } from '../support/run-firn.js'

const repository = join(import.meta.dirname, '..', '..')
const root = mkdtempSync(join(tmpdir(), 'firn-lineage-'))
const home = join(root, 'lake')
const page = readFileSync(join(repository, 'docs', 'lineage.md'), 'utf8')
const commands = [...page.matchAll(/^\$ firn (.*)\n([^]*?)(?=^\$ firn |^```)/gm)]
const URI = 'models:/convergence_k20/1'
/** Everything that no tag holds goes at once. */
const NOTHING_STAYS = {
  ...{ FIRN_SNAPSHOT_MAX_AGE_DAYS: '0', FIRN_ORPHAN_MIN_AGE_DAYS: '0', FIRN_STAGING_LEASE_DAYS: '0' },
}

const firn = (line: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  runFirn(line.split(' '), { home, env })

async function night(count: number, from: number, date: string): Promise<void> {
  const folder = join(root, date)
  mkdirSync(folder)
  await unpackSample({ folder, count, from })
  const ended = await firn(`run nightly quantum --from ${folder} --date ${date}`)
  expect(ended.code, ended.stderr).toBe(0)
}

beforeAll(async () => {
  await night(100, 0, '2026-07-01')
  const trained = await firn('train quantum convergence_k20')
  expect(trained.code, trained.stderr).toBe(0)
  await night(50, 100, '2026-07-02')
  const maintained = await firn('maintain', NOTHING_STAYS)
  expect(maintained.code, maintained.stderr).toBe(0)
}, 240_000)
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** What stands for itself; times, ids, digests and machines are others each time. */
const masked = (text: string): readonly string[] =>
  text
    .replace(/\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b(-dirty)?/g, '#')
    .replace(/2026-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/(tfjs|firn), [a-z]+-[a-z0-9]+$/gm, '$1, <platform>')
    .trimEnd()
    .split('\n')

describe('after a second night and the removal of all that nothing holds', () => {
  it('firn lineage prints what docs/lineage.md shows', async () => {
    const [first, ...others] = commands
    const { stdout, stderr } = await firn(first![1]!)
    expect(stderr).toBe('')
    expect(masked(stdout)).toEqual(masked(first![2]!))
    for (const [, line] of others.filter(([, line = '']) => line.startsWith('lineage'))) {
      const ended = await firn(line!)
      expect([line, ended.code]).toEqual([line, 0])
      expect(ended.stdout).toContain('models:/convergence_k20/1')
    }
  })

  it('--json has the raw objects of the first night, whose bytes have their digests, and predictions of the second', async () => {
    const lineage = JSON.parse((await firn(`lineage ${URI} --json`)).stdout) as VersionLineage
    expect(lineage.inputs.every(({ isTagged, isThere }) => isTagged && isThere)).toBe(true)
    expect(lineage.sources).toMatchObject([{ source: 'experiments', records: 100, rows: [[0, 100]] }])
    expect(lineage.sources[0]!.objects.every(({ path }) => existsSync(toLocalPath(path)))).toBe(true)
    expect(lineage.predictions).toMatchObject([{ batch: expect.stringMatching(/^20260702T/), rows: 49 }])
    expect(lineage.unknown).toEqual([])
  })

  it('reproduce.sh in a fresh clone: identical', () => {
    const checkout = join(root, 'checkout')
    execFileSync('git', ['clone', '-q', '--shared', repository, checkout])
    symlinkSync(join(repository, 'node_modules'), join(checkout, 'node_modules'))
    const inherited = Object.entries(process.env).filter(([name]) => !/^(FIRN_HOME|TEMPORAL_)/.test(name))
    const ended = spawnSync(
      'sh',
      [filesUnder(home).find((path) => path.endsWith('reproduce.sh'))!, checkout],
      {
        ...{ encoding: 'utf8', env: { ...Object.fromEntries(inherited), FIRN_HOME: home } },
      },
    )
    expect(ended.status, ended.stderr).toBe(0)
    const result = JSON.parse(ended.stdout) as ReproduceResult
    expect(result).toMatchObject({
      ...{ verdict: 'identical', data: { verdict: 'identical' } },
      ...{ weights: { verdict: 'identical' }, metrics: { verdict: 'identical' } },
    })
    expect(result.data.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(result.weights.digest).toMatch(/^[0-9a-f]{64}$/)
  }, 120_000)

  it('firn reproduce says what differs after one byte of a data file was changed, and ends with 1', async () => {
    const [path] = filesUnder(join(home, 'warehouse', 'quantum_features', 'ml_run_summary', 'data'))
    const bytes = readFileSync(path!)
    const middle = Math.floor(bytes.length / 2)
    bytes[middle] = bytes[middle]! ^ 0xff
    writeFileSync(path!, bytes)
    const { code, stdout } = await firn(`reproduce ${URI} --json`)
    const { data, verdict } = JSON.parse(stdout) as ReproduceResult
    expect([code, data.verdict === 'identical']).toEqual([1, false])
    expect(verdict).toMatch(
      /^data (differs: a data file of quantum_features.ml_run_summary was changed|unavailable: )/,
    )
  }, 60_000)
})

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
