import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../../engine/compiled-entry.js'
import { planBuild } from '../../lake/features/plan-build.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { RUN, stage } from '../lake/support/batches.js'
import { withLakeAt } from '../support/lake-process.js'
import { runFirn } from '../support/run-firn.js'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'features.md'), 'utf8')
const root = mkdtempSync(join(tmpdir(), 'firn-features-'))
const [home, folder, inbox] = [join(root, 'lake'), join(root, 'shop'), join(root, 'inbox')]
const env = { FIRN_PIPELINES: folder }
const BATCH = '20260601T020000Z'

/** Files of the page by the name in their first line, and commands with the answer that it shows. */
const files = [...page.matchAll(/```(?:js|sql)\n(?:\/\/|--) (\S+)\n([^]*?)```/g)]
const commands = [...page.matchAll(/```console\n\$ firn (.*)\n([^]*?)```/g)]

const firn = (line: string, more: readonly string[] = []) =>
  runFirn([...line.split(' '), ...more], { home, env })
const json = async (line: string): Promise<unknown> => {
  const { stdout, stderr, code } = await firn(line, ['--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as unknown
}

function writePipeline(changes: readonly (readonly [string, string])[] = []): void {
  for (const [, path = '', text = ''] of files) {
    const entry = pathToFileURL(join(packageRoot(), 'dist', 'index.js')).href
    const changed = changes.reduce((now, [from, to]) => now.replace(from, to), text)
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), changed.replace(`from 'firnlake'`, `from '${entry}'`))
  }
}

/** Orders of fifty users over five months: some come every other week, some once a season. */
function writeOrders(): void {
  mkdirSync(inbox, { recursive: true })
  const lines = Array.from({ length: 50 }, (_, user) => {
    const days = 11 + ((user * 7) % 60)
    return Array.from({ length: Math.floor(150 / days) }, (__, n) => ({
      order_id: `${user}-${n}`,
      ...{ user_token: `u${user}`, country: ['de', 'fr', 'pl'][user % 3], amount: 10 + ((user * n) % 17) },
      ordered: new Date(Date.UTC(2026, 0, 1 + n * days, user % 24)).toISOString(),
    }))
  })
  const text = lines
    .flat()
    .map((order) => JSON.stringify(order))
    .join('\n')
  writeFileSync(join(inbox, 'orders.jsonl'), text)
}

beforeAll(async () => {
  writePipeline()
  writeOrders()
  await withLakeAt(
    home,
    async ({ deps }) => {
      const landing = await planLanding(deps, { pipeline: 'shop', from: inbox, batch: BATCH })
      await commitLanding(deps, landing, [await fetchLanding(deps, landing)])
      const plan = await planBuild(deps, { pipeline: 'shop', batch: BATCH })
      if (plan.kind !== 'build') throw new Error(plan.kind)
      const checks = await stage(deps, plan)
      await publishBatch(deps, { plan, checks, run: RUN })
    },
    env,
  )
}, 120_000)
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('docs/features.md', () => {
  it('has an example that firn check finds nothing wrong with', async () => {
    expect(files.map(([, path]) => path)).toEqual([
      'pipeline.mjs',
      'sql/orders.sql',
      'sql/spending.sql',
      'sql/returning.sql',
    ])
    expect(await json('check shop')).toEqual([{ pipeline: 'shop', problems: [] }])
  })

  it('shows what its commands print', async () => {
    expect(commands.length).toBe(4)
    for (const [, line = '', shown = ''] of commands) {
      const { stdout, code } = await firn(line)
      expect({ line, code, stdout: masked(stdout) }).toEqual({ line, code: 0, stdout: masked(shown) })
    }
  })

  it('tells the same as JSON', async () => {
    const version = 'v1_stratified_80_10_10'
    const shown = await json(`splits show ${version} --pipeline shop`)
    expect(shown).toMatchObject({ pipeline: 'shop', unassigned: 0, leaks: { entities: 0 } })
    expect(await json(`splits extend shop ${version}`)).toMatchObject({ status: 'no_changes', added: 0 })
    expect(await json('splits list')).toContainEqual(
      expect.objectContaining({ pipeline: 'shop', split: version, state: 'defined' }),
    )
    expect(await json('features show returning')).toMatchObject({
      ...{ kind: 'label-view', state: 'new', usedBy: { splits: [version], models: ['returning_user'] } },
    })
  })

  it('adds a feature as it says', async () => {
    expect(await json('features apply --pipeline shop')).toHaveLength(7)
    const diffs = [...page.matchAll(/ {3}```diff\n([^]*?) {3}```/g)].map(([, text = '']) => {
      const lines = (mark: string): string =>
        text
          .split('\n')
          .filter((line) => line.startsWith(`   ${mark}`))
          .map((line) => line.slice(4))
          .join('\n')
      return [lines('-').trim(), lines('+').trim()] as const
    })
    expect(diffs).toHaveLength(2)
    writePipeline(diffs)
    expect(await json('check shop')).toEqual([{ pipeline: 'shop', problems: [] }])
    expect(await json('features list --pipeline shop')).toMatchObject([
      { name: 'user', state: 'recorded' },
      { name: 'spending', state: 'changed' },
      { name: 'last_order', state: 'recorded' },
      { name: 'returning', state: 'recorded' },
      { name: 'returning_user', kind: 'feature-service', state: 'changed' },
      { name: 'v1_stratified_80_10_10', state: 'recorded' },
      { name: 'returning_user', kind: 'model', state: 'recorded' },
    ])
    expect(await json('features diff spending')).toMatchObject({
      differences: [{ path: 'schema.largest_so_far', after: 'double' }, { path: 'sqlText' }],
    })
    const { stdout } = await firn('features diff spending')
    expect(stdout).toContain('+   max(amount) OVER so_far AS largest_so_far')
    expect((await firn('features diff returning_user --pipeline shop')).stderr).toMatch(
      /is several things: feature-service .*--kind/,
    )
  })
})

/** Fingerprints are there, whatever they are. */
function masked(text: string): string {
  return text.replace(/\b[0-9a-f]{12}\b/g, 'fingerprint ')
}
