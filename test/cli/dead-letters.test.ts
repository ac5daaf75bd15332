import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { escapeInvisible } from '../../cli/output.js'
import { recordText } from '../../cli/print-letters.js'
import { withLakeAt } from '../support/lake-process.js'
import { runAllFirn, runFirn } from '../support/run-firn.js'

const root = mkdtempSync(join(tmpdir(), 'firn-letters-'))
const [home, folder, inbox] = [join(root, 'lake'), join(root, 'shop'), join(root, 'inbox')]
const env = { FIRN_PIPELINES: folder }
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A pipeline as users write it; `total` is what its contract says of that field. */
function declare(total: string): void {
  mkdirSync(folder, { recursive: true })
  const definition = {
    name: 'shop',
    sources: { orders: { kind: 'json', topic: 'orders', schema: { id: 'string', total }, identity: ['id'] } },
    tables: {
      orders_seen: {
        sql: 'seen.sql',
        schema: { id: 'string!' },
        key: ['id'],
        partition: [],
        write: 'insert-new',
      },
    },
  }
  writeFileSync(join(folder, 'pipeline.mjs'), `export default ${JSON.stringify(definition)}`)
  writeFileSync(join(folder, 'seen.sql'), 'SELECT id FROM orders')
}

async function landInbox(batch: string): Promise<void> {
  await withLakeAt(
    home,
    async ({ deps }) => {
      const plan = await planLanding(deps, { pipeline: 'shop', from: inbox, batch })
      await commitLanding(deps, plan, [await fetchLanding(deps, plan)])
    },
    env,
  )
}

const letters = (...args: readonly string[]) => runFirn(['dead-letters', ...args], { home, env })
const json = async (...args: readonly string[]): Promise<unknown> => {
  const { stdout } = await letters(...args, '--json')
  return JSON.parse(stdout) as unknown
}

beforeAll(async () => {
  declare('int')
  mkdirSync(inbox)
  const records = [
    '{"id": "good", "total": 1}',
    '{"id": "late", "total": 2.5}',
    '{"id": "evil \u001b[31m\u202e\u009b", "total": "x"}',
    '{"id": "half',
  ]
  writeFileSync(join(inbox, 'orders.jsonl'), records.join('\n'))
  await landInbox('20260701T020000Z')
})

describe('firn dead-letters', { timeout: 120_000 }, () => {
  it('lists by cause, within its limit, and selects', async () => {
    const all = await letters('list')
    expect(all).toMatchObject({ code: 0, stderr: '' })
    expect(all.stdout).toMatch(/^orders +malformed-json +2 .*\norders +wrong-type +1 /m)
    expect(all.stdout).toMatch(
      /^orders\/[0-9a-f]{12}\/0\/1 +20260701T020000Z +orders\.jsonl +wrong-type +total /m,
    )
    expect((await letters('list', '--limit', '1')).stdout).toContain('and 2 more')
    expect(await json('list', '--kind', 'wrong-type')).toMatchObject({ total: 1, letters: [{ offset: 1 }] })
    expect(await json('list', '--source', 'other')).toEqual({ total: 0, counts: [], letters: [] })
    expect(await json('list', '--since', '2026-07-02', '--limit', '0')).toMatchObject({ total: 0 })
  })

  it('shows a record safely, and the contract that it breaks', async () => {
    const { letters: found } = (await json('list')) as { letters: { id: string; offset: number }[] }
    const id = found.find(({ offset }) => offset === 2)?.id ?? ''
    const shown = await letters('show', id)
    expect(shown.code).toBe(0)
    expect(shown.stdout).toContain('evil \\u001b[31m\\u202e\\u009b')
    expect(shown.stdout).toContain('fields     id: string, total: int')
    expect(shown.stdout).toContain('still malformed-json at id')
    // eslint-disable-next-line no-control-regex -- these would reach the terminal
    expect(shown.stdout).not.toMatch(/[\u001b\u009b\u202e]/)
    const asJson = await letters('show', id, '--json')
    expect(asJson.stdout).not.toMatch(/[\u009b\u202e]/)
    const [letter] = JSON.parse(asJson.stdout) as [{ rawBase64: string; breaks: { kind: string } }]
    expect(Buffer.from(letter.rawBase64, 'base64').toString()).toContain('evil \u001b[31m\u202e\u009b')
    expect(letter.breaks.kind).toBe('malformed-json')
  })

  it('refuses what it can not do with exit code 2, and says what to do', async () => {
    const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
      ['an id that is none', ['show', 'orders'], /no id of a dead letter/],
      [
        'a letter that is not there',
        ['show', 'orders/0a1b2c3d4e5f/0/99'],
        /no dead letter orders\/0a1b2c3d4e5f\/0\/99/,
      ],
      ['a replay of letters that are not there', ['replay', 'orders/-/0/99'], /no dead letter/],
      ['a replay of nothing in particular', ['replay'], /say which dead letters/],
      ['ids and a selection', ['drop', 'orders/-/0/1', '--kind', 'wrong-type'], /one of the three/],
      ['a selection and all', ['drop', '--all', '--kind', 'wrong-type'], /one of the three/],
      ['a drop that nobody agreed to', ['drop', '--all'], /3 dead letters would be deleted.*--yes/],
      ['a batch that is none', ['list', '--batch', '20260230T020000Z'], /no batch id/],
      ['a time that is none', ['list', '--since', 'yesterday'], /2026-07-01T02:00:00Z, or 90m/],
      ['a day that is none', ['list', '--since', '2026-02-30'], /Give a day/],
    ]
    const commands = cases.map(([, args]) => ['dead-letters', ...args, '--json'])
    for (const [at, { code, stdout }] of (await runAllFirn(commands, { home, env })).entries()) {
      const [what = '', , message] = cases[at] ?? []
      expect(code, what).toBe(2)
      expect((JSON.parse(stdout) as { error: { message: string } }).error.message, what).toMatch(message!)
    }
  })

  it('replays what a mended contract takes, ends with 1 while some stay, and drops those by command', async () => {
    expect(await letters('replay', '--all', '--dry-run')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('0 would be replayed, 3 stay') as string,
    })
    declare('double')
    const replayed = await letters('replay', '--all', '--as-batch', '20260702T020000Z')
    expect(replayed.code).toBe(1)
    expect(replayed.stdout).toMatch(
      /1 replayed as batch 20260702T020000Z in 1 objects, 2 stay\n.*malformed-json at id/,
    )
    expect(await letters('replay', '--batch', '20260702T020000Z')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing was replayed') as string,
    })
    expect(await json('drop', '--kind', 'malformed-json', '--dry-run')).toMatchObject({
      letters: 2,
      dropped: 0,
    })
    expect(await json('drop', '--all', '--yes', '--reason', 'tests')).toMatchObject({
      letters: 2,
      dropped: 2,
    })
    expect(await letters('list')).toMatchObject({ code: 0, stdout: 'no dead letters\n' })
    const ledger = await runFirn(['sql', 'SELECT sum(records) AS n FROM raw.orders', '--json'], { home, env })
    expect(ledger.stdout).toContain('"n": 2')
  })

  it('has nothing to list where there is no lake, and makes none', async () => {
    const absent = { home: join(root, 'absent') }
    expect(await runFirn(['dead-letters', 'list'], absent)).toMatchObject({
      code: 0,
      stdout: 'no dead letters\n',
    })
    expect(await runFirn(['dead-letters', 'replay', '--all'], absent)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no lake in') as string,
    })
  })
})

describe('text of records', () => {
  it('shows bytes that are no UTF-8 one by one, and leaves visible characters alone', () => {
    expect(recordText(Buffer.from([0x7b, 0xff, 0x0a, 0x1b, 0xc3, 0xa4]))).toBe('{\\xff\n\\u001b\\xc3\\xa4')
    expect(recordText(Buffer.from('{"ä": "日本 🚀"}'))).toBe('{"ä": "日本 🚀"}')
    expect(escapeInvisible('a\u200bb\u{e0041}\r\n')).toBe('a\\u200bb\\udb40\\udc41\\u000d\n')
  })
})
