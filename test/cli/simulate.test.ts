import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { checkDocument } from '../../lake/land/check-document.js'
import { DocumentProblem } from '../../lake/land/document-problem.js'
import { parseDocument } from '../../lake/land/parse-document.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import { runAllFirn, runFirn } from '../support/run-firn.js'

const root = mkdtempSync(join(tmpdir(), 'firn-simulate-'))
const home = join(root, 'lake')
afterAll(() => rmSync(root, { recursive: true, force: true }))

const PAYMENT = parseDocumentSchema({
  txn_id: 'string',
  user_token: 'string',
  merchant_id: 'string',
  status: 'string',
})

interface Result {
  readonly simulated: boolean
  readonly sent: number
  readonly bytes: number
  readonly stopped: boolean
  readonly bad: Readonly<Record<string, number>>
  readonly bestAuc?: number | null
}

function contents(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name)).toString('latin1')]),
  )
}

function linesOf(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
}

/** As a landing finds it; undefined where the document is as declared. */
function problemOf(text: string): string | undefined {
  try {
    checkDocument(PAYMENT.fields, parseDocument(Buffer.from(text)).value)
    return undefined
  } catch (error) {
    if (error instanceof DocumentProblem) return error.kind
    throw error
  }
}

describe('firn simulate', () => {
  it('writes the same bytes for the same seed, in any process, and others for another seed', async () => {
    const churn = ['simulate', 'churn', '--to', 'dir', '--count', '30000', '--late', '0.1', '--bad', '0.05']
    const quantum = ['simulate', 'quantum', '--to', 'dir', '--count', '6', '--iterations', '8']
    const run = await runAllFirn(
      ['a', 'b'].flatMap((name) => [
        [...churn, '--dir', join(root, name)],
        [...quantum, '--dir', join(root, name)],
      ]),
      { home },
    )
    await runFirn([...churn, '--seed', '2', '--dir', join(root, 'c')], { home })
    expect(run.map(({ code }) => code)).toEqual([0, 0, 0, 0])
    const [a, b] = ['a', 'b'].map((name) => contents(join(root, name, 'payment-events')))
    expect(Object.keys(a!)).toEqual(['churn-1-000000.jsonl', 'churn-1-000001.jsonl'])
    expect(b).toEqual(a)
    expect(linesOf(join(root, 'a', 'payment-events'))).toHaveLength(30_000)
    expect(linesOf(join(root, 'c', 'payment-events'))[0]).not.toBe(a!['churn-1-000000.jsonl']!.split('\n')[0])
    const [x, y] = ['a', 'b'].map((name) => contents(join(root, name, 'experiment.vqe')))
    expect(Object.keys(x!)).toHaveLength(6)
    expect(Object.keys(x!)[5]).toMatch(/^00005-\d{19}\.json$/)
    expect(y).toEqual(x)
    for (const { stdout } of run) expect(stdout).toContain('made-up documents (seed 1; no real data)')
  })

  it('goes on where more are asked for: the first documents stay what they were', async () => {
    const run = async (count: string): Promise<readonly string[]> => {
      const dir = join(root, `count-${count}`)
      await runFirn(['simulate', 'churn', '--to', 'dir', '--dir', dir, '--count', count], { home })
      return linesOf(join(dir, 'payment-events'))
    }
    const [few, many] = [await run('100'), await run('250')]
    expect(few).toHaveLength(100)
    expect(many.slice(0, 100)).toEqual(few)
  })

  it('breaks exactly as many documents as it says, each in the way it says, and leaves the others alone', async () => {
    const options = ['simulate', 'churn', '--to', 'dir', '--count', '4000', '--json', '--compression', 'gzip']
    const [bad, good] = await runAllFirn(
      [
        [...options, '--bad', '0.1', '--dir', join(root, 'bad')],
        [...options, '--dir', join(root, 'good')],
      ],
      { home },
    )
    const result = JSON.parse(bad?.stdout ?? '') as Result
    const unzipped = (name: string): readonly string[] =>
      gunzipSync(readFileSync(join(root, name, 'payment-events', 'churn-1-000000.jsonl.gz')))
        .toString()
        .split('\n')
        .slice(0, -1)
    const [broken, whole] = [unzipped('bad'), unzipped('good')]
    const counts: Record<string, number> = {}
    for (const [i, line] of broken.entries()) {
      const problem = problemOf(line)
      if (problem === undefined) expect(line).toBe(whole[i])
      else counts[problem] = (counts[problem] ?? 0) + 1
    }
    expect(counts).toEqual(result.bad)
    expect(Object.keys(counts).sort()).toEqual([
      'duplicate-key',
      'malformed-json',
      'missing-field',
      'wrong-type',
    ])
    const share = Object.values(counts).reduce((a, b) => a + b) / 4000
    expect(share).toBeGreaterThan(0.08)
    expect(share).toBeLessThan(0.12)
    expect(JSON.parse(good?.stdout ?? '')).toMatchObject({
      simulated: true,
      sent: 4000,
      bad: { 'malformed-json': 0, 'wrong-type': 0 },
    })
  })

  it('ends on Ctrl-C with all that it says it sent', async () => {
    const dir = join(root, 'stopped')
    let asked = false
    const { code, stdout } = await runFirn(
      ['simulate', 'churn', '--to', 'dir', '--dir', dir, '--rate', '400', '--count', '0', '--json'],
      {
        home,
        onStderr(text, kill) {
          if (asked || !text.includes('simulating churn: ')) return
          asked = true
          kill('SIGINT')
        },
      },
    )
    const result = JSON.parse(stdout) as Result
    expect({ code, stopped: result.stopped }).toEqual({ code: 0, stopped: true })
    const lines = linesOf(join(dir, 'payment-events'))
    expect(lines).toHaveLength(result.sent)
    expect(result.sent).toBeGreaterThan(0)
    expect(lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0)).toBe(result.bytes)
    expect(readdirSync(join(dir, 'payment-events')).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('leaves equal files alone and never overwrites others', async () => {
    const dir = join(root, 'there')
    const run = ['simulate', 'quantum', '--to', 'dir', '--dir', dir, '--count', '2', '--iterations', '3']
    await runFirn(run, { home })
    const [name = ''] = readdirSync(join(dir, 'experiment.vqe'))
    expect((await runFirn(run, { home })).code).toBe(0)
    writeFileSync(join(dir, 'experiment.vqe', name), '{}')
    const { code, stderr } = await runFirn(run, { home })
    expect(code).toBe(2)
    expect(stderr).toContain(`${name} is there already, with other contents`)
    expect(readFileSync(join(dir, 'experiment.vqe', name), 'utf8')).toBe('{}')
  })

  it.each<[string, readonly string[], number, RegExp]>([
    ['no place to go to', ['churn'], 2, /--to <where>/],
    ['a broker that nobody named', ['churn', '--to', 'kafka'], 1, /set FIRN_KAFKA_BROKERS=host:port/],
    ['a share above 1', ['churn', '--to', 'dir', '--bad', '1.5'], 2, /number from 0 to 1/],
    ['a start that is no instant', ['quantum', '--to', 'dir', '--start', '2026-13-01'], 2, /Give an instant/],
    ['no users', ['churn', '--to', 'dir', '--users', '0'], 2, /from 1 on/],
    ['a folder for a topic', ['churn', '--to', 'kafka', '--dir', 'x'], 2, /--dir is for --to dir/],
  ])('refuses %s', async (_, args, exitCode, message) => {
    const { code, stdout } = await runFirn(['simulate', ...args, '--json'], {
      home,
      env: { FIRN_KAFKA_BROKERS: '' },
    })
    expect(code).toBe(exitCode)
    expect(JSON.parse(stdout)).toMatchObject({ error: { message: expect.stringMatching(message) as string } })
  })
})
