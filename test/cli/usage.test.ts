import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runAllFirn, runFirn } from '../support/run-firn.js'

const root = mkdtempSync(join(tmpdir(), 'firn-usage-'))
const home = join(root, 'lake')
const folder = join(root, 'documents')
mkdirSync(folder)
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('The command line, before there is a lake', () => {
  it('explains itself and ends with 0', async () => {
    const [all, one, version] = await runAllFirn([['--help'], ['run', 'nightly', '--help'], ['--version']], {
      home,
    })
    for (const { code, stderr } of [all, one, version].flatMap((ended) => ended ?? []))
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const command of [
      'demo',
      'dev',
      'check',
      'plan',
      'land',
      'build',
      'run',
      'train',
      'score',
      'maintain',
    ])
      expect(all?.stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
    expect(one?.stdout).toContain('--date <date>')
    expect(version?.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('has nothing to list, makes nothing for that, and checks the definitions', async () => {
    const [list, json, tags, show, check] = await runAllFirn(
      [
        ['tables', 'list'],
        ['tables', 'list', '--json'],
        ['tag', 'list', '--json'],
        ['tables', 'show', 'a.b'],
        ['check', '--json'],
      ],
      { home: join(root, 'absent') },
    )
    expect(list).toMatchObject({ code: 0, stdout: expect.stringContaining('there is no lake in') as string })
    expect(json).toMatchObject({ code: 0, stdout: '[]\n' })
    expect(tags).toMatchObject({ code: 0, stdout: '[]\n' })
    expect(show).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no lake in') as string })
    expect(JSON.parse(check?.stdout ?? '')).toEqual([
      { pipeline: 'churn', problems: [] },
      { pipeline: 'quantum', problems: [] },
    ])
    const looked = join(root, 'looked-at')
    await runFirn(['tables', 'list'], { home: looked })
    expect(existsSync(looked)).toBe(false)
  })

  it.each<[string, readonly string[], RegExp]>([
    ['a command that does not exist', ['tabels', 'list'], /unknown command 'tabels'[^]*Did you mean tables/],
    ['an option that does not exist', ['check', '--quickly'], /unknown option '--quickly'/],
    ['an argument left out', ['sql'], /missing required argument 'query'/],
    ['a limit that is no number', ['sql', 'SELECT 1', '--limit', 'many'], /whole number/],
    [
      'a month that does not exist',
      ['run', 'nightly', 'quantum', '--date', '2026-13-01'],
      /calendar date such as 2026-07-01, but got "2026-13-01"/,
    ],
    ['a day that does not exist', ['run', 'nightly', 'quantum', '--date', '2026-02-30'], /calendar date/],
    ['a date the wrong way round', ['run', 'nightly', 'quantum', '--date', '01-07-2026'], /calendar date/],
    [
      'a date and a batch',
      ['run', 'nightly', 'quantum', '--date', '2026-07-01', '--batch', '20260701T020000Z'],
      /not both/,
    ],
    [
      'a batch that is no instant',
      ['build', 'quantum', '--batch', '20260230T020000Z'],
      /batch id, the instant in UTC/,
    ],
    [
      'a pipeline that does not exist',
      ['build', 'quantumm'],
      /no pipeline "quantumm". Known: churn, quantum/,
    ],
    ['a pipeline that is a path', ['land', '../quantum', '--from', folder], /must be a name/],
    ['a pipeline with a quote', ['maintain', "q'; DROP TABLE x"], /must be a name/],
    ['a model that is a path', ['train', 'quantum', '../../model'], /must be a name/],
    ['a tag that is a path to score at', ['score', 'quantum', 'm', '--at', '../main'], /name of a tag/],
    ['a folder that is not there', ['land', 'quantum', '--from', join(root, 'gone')], /gone is no folder/],
  ])(
    'refuses %s with exit code 2 and says what to do, before any server is started',
    async (_, args, message) => {
      const { code, stdout } = await runFirn([...args, '--json'], { home })
      expect(code).toBe(2)
      const { error } = JSON.parse(stdout) as { error: { kind: string; message: string } }
      expect(error.message).toMatch(message)
      expect(error.kind).toMatch(/^(usage|invalid-input|not-found)$/)
      expect(existsSync(join(home, 'temporal.db'))).toBe(false)
    },
  )

  it('tells people the same on standard error, without a stack', async () => {
    const [usage, input] = await runAllFirn([['tabels'], ['build', 'a b']], { home })
    expect(usage).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('firn --help') as string,
    })
    expect(input).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^firn: .*`pipeline`/m) as string,
    })
    for (const ended of [usage, input]) expect(ended?.stderr).not.toMatch(/^\s+at /m)
  })

  it('says what is wrong with its environment', async () => {
    const [many, far] = await Promise.all([
      runFirn(['tables', 'list'], { home, env: { FIRN_THREADS: 'many' } }),
      runFirn(['build', 'quantum', '--json'], { home, env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } }),
    ])
    expect(many).toMatchObject({ code: 1, stderr: expect.stringContaining('FIRN_THREADS') as string })
    expect(far.code).toBe(1)
    expect(JSON.parse(far.stdout)).toMatchObject({
      error: { kind: 'config', message: expect.stringContaining('correct TEMPORAL_ADDRESS') as string },
    })
  })
})
