import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildTables } from '../../lake/features/build-tables.js'
import { planBuild } from '../../lake/features/plan-build.js'
import { commitLanding } from '../../lake/land/commit-landing.js'
import { fetchLanding } from '../../lake/land/fetch-landing.js'
import { planLanding } from '../../lake/land/plan-landing.js'
import { publishBatch } from '../../lake/publish/publish-batch.js'
import { runChecks } from '../../lake/quality/run-checks.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import { withLakeAt } from '../support/lake-process.js'
import { runAllFirn, runFirn } from '../support/run-firn.js'

const root = mkdtempSync(join(tmpdir(), 'firn-rollback-cli-'))
const [home, inbox] = [join(root, 'lake'), join(root, 'documents')]
afterAll(() => rmSync(root, { recursive: true, force: true }))
const [DAY_1, DAY_2] = ['20260701T020000Z', '20260702T020000Z']

beforeAll(async () => {
  await withLakeAt(home, async ({ deps }) => {
    for (const [from, batch] of [DAY_1, DAY_2].entries()) {
      await unpackSample({ folder: inbox, from, count: 1 })
      const landing = await planLanding(deps, { pipeline: 'quantum', from: inbox, batch })
      await commitLanding(deps, landing, [await fetchLanding(deps, landing)])
      const plan = await planBuild(deps, { pipeline: 'quantum', batch })
      if (plan.kind !== 'build') throw new Error(plan.kind)
      for (const group of plan.groups) await buildTables(deps, plan, group)
      const run = { workflowId: '', runId: '', startedAtMs: 0 }
      await publishBatch(deps, { plan, checks: await runChecks(deps, plan), run })
    }
  })
}, 120_000)

/** The commands of a page's console blocks, in their order. */
function commandsOf(page: string): readonly (readonly string[])[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')
  const sessions = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, session = '']) => session)
  return [...sessions.join('').matchAll(/^\$ firn (.*)$/gm)].map(([, command = '']) =>
    [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? ''),
  )
}

async function firn(...args: readonly string[]) {
  const ended = await runFirn([...args, '--json'], { home })
  return { code: ended.code, out: JSON.parse(ended.stdout) as Record<string, unknown> }
}

it(
  'docs/rollback.md and docs/backup.md give commands that do what they say',
  { timeout: 180_000 },
  async () => {
    const folder = join(root, 'backup')
    // Before the rollback, so that the restored lake has both batches.
    for (const command of commandsOf('backup.md')) {
      const ended = await runFirn(
        command.map((word) => word.replace('../backup', folder)),
        { home },
      )
      expect(ended, command.join(' ')).toMatchObject({ code: 0 })
    }
    expect(existsSync(join(folder, 'backup.json'))).toBe(true)
    const commands = commandsOf('rollback.md')
    expect(commands.length).toBeGreaterThan(6)
    for (const command of commands) {
      const ended = await runFirn(command, { home })
      expect(ended, command.join(' ')).toMatchObject({ code: 0 })
      if (command.includes('--dry-run')) expect(ended.stdout).toContain('nothing was changed')
      if (command[0] === 'sql') expect(ended.stdout).toMatch(/\b1\b/)
      if (command[0] === 'plan') expect(ended.stdout).toContain('ledger rows 1 to 1')
    }
    expect(await firn('rollback', 'quantum', '--to', DAY_1, '--yes')).toMatchObject({
      code: 0,
      out: { done: false },
    })
    expect(await firn('rollback', 'quantum', '--to', DAY_2, '--yes')).toMatchObject({
      code: 2,
      out: { error: { message: expect.stringContaining('was taken back by a rollback itself') as string } },
    })
    expect((await firn('restore', folder)).out).toMatchObject({
      error: { message: expect.stringContaining('there is a lake already') as string },
    })
    expect(await firn('restore', folder, '--force')).toMatchObject({
      code: 0,
      out: { restored: true, missing: [] },
    })
    const rows = await firn('sql', 'SELECT count(*) AS n FROM quantum_features.vqe_results')
    expect(JSON.stringify(rows.out)).toMatch(/"n":2\b/)
  },
)

it('says what is wrong, and what to do', { timeout: 60_000 }, async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['rollback', 'nope', '--to', DAY_1], /there is no pipeline "nope"/],
    [['rollback', 'quantum', '--to', "'; DROP"], /no batch id/],
    [['rollback', 'quantum', '--to', '20200101T000000Z'], /has no batch/],
    [['branch', 'show', 'quantum', '../main'], /has a branch "..\/main"/],
    [['branch', 'drop', 'quantum', 'main'], /can't be dropped/],
    [['restore', join(root, 'none')], /is no backup/],
  ]
  const ended = await runAllFirn(
    cases.map(([args]) => args),
    { home },
  )
  for (const [at, [args, message]] of cases.entries()) {
    expect(ended[at]?.code, args.join(' ')).toBe(2)
    expect(ended[at]?.stderr).toMatch(message)
  }
})
