import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { withLakeAt } from '../support/lake-process.js'
import { runFirn } from '../support/run-firn.js'

const root = mkdtempSync(join(tmpdir(), 'firn-letters-page-'))
const [home, shop, inbox] = [join(root, 'lake'), join(root, 'shop'), join(root, 'inbox')]
const env = { FIRN_PIPELINES: shop }
afterAll(() => rmSync(root, { recursive: true, force: true }))

const page = readFileSync(join(import.meta.dirname, '../../docs/dead-letters.md'), 'utf8')

function blocks(language: string): readonly string[] {
  return [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, name, text = '']) =>
    name === language ? [text] : [],
  )
}

/** What the page says that a folder elsewhere can't give: the folder's name in ids. */
function comparable(text: string): string {
  return text.replace(/(?<=orders\/)[0-9a-f]{12}/g, '0'.repeat(12))
}

async function landInbox(): Promise<void> {
  await withLakeAt(
    home,
    async ({ deps }) => {
      const input = { pipeline: 'shop', from: inbox, batch: '20260701T020000Z' }
      const plan = await planLanding(deps, input)
      await commitLanding(deps, plan, [await fetchLanding(deps, plan)])
    },
    env,
  )
}

it('docs/dead-letters.md shows what the commands print', { timeout: 120_000 }, async () => {
  const [pipeline = '', sql = '', orders = ''] = ['js', 'sql', 'json'].map((name) => blocks(name)[0])
  for (const folder of [shop, inbox]) mkdirSync(folder)
  writeFileSync(join(shop, 'pipeline.mjs'), pipeline)
  writeFileSync(join(shop, 'totals.sql'), sql)
  const file = join(inbox, 'day1.jsonl')
  writeFileSync(file, orders)
  utimesSync(file, new Date('2026-07-01T00:00:00Z'), new Date('2026-07-01T00:00:00Z'))
  await landInbox()
  const { stdout } = await runFirn(['dead-letters', 'list', '--json'], { home, env })
  const incarnation = /orders\/([0-9a-f]{12})\//.exec(stdout)?.[1] ?? ''
  const [before = '', after = ''] = blocks('console')
  const play = async (session: string): Promise<void> => {
    for (const step of session.split(/^\$ firn /m).slice(1)) {
      const [command = '', ...expected] = step.split('\n')
      const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '')
      const args = words.map((word) => word.replace(/(?<=orders\/)[0-9a-f]{12}/, incarnation))
      const ended = await runFirn(args, { home, env })
      expect(comparable(ended.stdout), command).toBe(comparable(expected.join('\n')))
    }
  }
  await play(before)
  const mended = pipeline.replace("total: 'int'", "total: 'double'")
  expect(mended).not.toBe(pipeline)
  writeFileSync(join(shop, 'pipeline.mjs'), mended)
  await play(after)
  const landed = await runFirn(['sql', 'SELECT sum(records) AS n FROM raw.orders', '--json'], { home, env })
  expect(landed.stdout).toContain('"n": 2')
})
