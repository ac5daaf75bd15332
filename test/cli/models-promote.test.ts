import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openModelRegistry } from '../../ml/registry/model-registry.js'
import { trainedVersion } from '../ml/support/trained-version.js'
import { runFirn, type Ended } from '../support/run-firn.js'

const home = mkdtempSync(join(tmpdir(), 'firn-promote-'))
const model = 'convergence_k20'
const firn = (...args: readonly string[]): Promise<Ended> => runFirn(['models', ...args], { home })

beforeAll(() => {
  const registry = openModelRegistry({ path: join(home, 'registry.db') })
  for (const [seed, auc] of [0.8, 0.7, 0.9].entries()) {
    const { version } = registry.reserve(
      trainedVersion({
        pin: { pipeline: 'quantum', model, seed },
        trained: { metrics: { 'test/roc_auc': auc } },
      }),
      seed,
    )
    registry.move({ model, version }, ['PENDING'], 'READY')
  }
  registry.close()
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

it('a version is promoted where it beats baseline and champion, and by force where it does not', async () => {
  const first = await firn('promote', model, '--to', '1', '--by', 'ada', '--reason', 'first', '--json')
  expect(first.code).toBe(0)
  expect(JSON.parse(first.stdout)).toMatchObject({
    ...{ model, version: 1, alias: 'champion', promoted: true, forced: false, problems: [] },
    ...{ metric: 'roc_auc', challenger: 0.8, champion: null, baseline: { value: 0.5 } },
  })
  const worse = await firn('promote', `models:/${model}/2`)
  expect(worse.code).toBe(1)
  expect(worse.stdout).toMatch(/version 2 +0\.7\nchampion \(version 1\) +0\.8\n/)
  expect(worse.stdout).toMatch(/against it: .*\nversion 2 was not promoted; --force does it all the same\n$/)
  const better = await firn('promote', `models:/${model}/latest`, '--to', '3')
  expect(better.code).toBe(0)
  expect(better.stdout).toMatch(/models:\/convergence_k20@champion is version 3\n$/)
  const forced = await firn('promote', model, '--to', '2', '--force', '--by', 'ada')
  expect(forced.code).toBe(0)
  expect(forced.stdout).toMatch(/overruled: /)
  const other = await firn('promote', `models:/${model}@champion`, '--alias', 'challenger')
  expect(other.stdout).toMatch(/models:\/convergence_k20@challenger is version 2/)
  const history = await firn('alias', 'history', model, 'champion', '--json')
  expect(JSON.parse(history.stdout)).toMatchObject([
    { version: 1, by: 'ada', reason: 'first', forced: false },
    { version: 3, forced: false },
    { version: 2, by: 'ada', forced: true },
  ])
})

it.each([
  [['promote', model], /Say --to <version>, or write models:\/convergence_k20\/<version>/],
  [['promote', `models:/${model}/1`, '--to', '2'], /is version 1, but --to says 2/],
  [['promote', model, '--to', '9'], /READY versions: 3, 2, 1/],
])('firn models %j is refused with what to do', async (args, message) => {
  const { code, stderr } = await firn(...args)
  expect(stderr).toMatch(message)
  expect(code).toBe(2)
})
