import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeTraining } from '../../ml/lineage/describe-training.js'
import { reproduceScript } from '../../ml/lineage/reproduce-script.js'
import type { VersionOrigin } from '../../ml/lineage/version-lineage.js'
import { trainedVersion, type TrainedVersionChanges } from './support/trained-version.js'

const folder = mkdtempSync(join(tmpdir(), 'firn-script-'))
const home = join(folder, "lake of 'ours'")
const checkout = join(folder, 'a checkout')
let commit: string

/** A checkout whose command line says what it was asked and ends as it is told; setting up leaves a trace. */
beforeAll(() => {
  for (const path of [home, join(checkout, 'bin'), join(checkout, 'scripts')])
    mkdirSync(path, { recursive: true })
  writeFileSync(join(checkout, 'scripts', 'setup.mjs'), `console.log('set up')`)
  writeFileSync(
    join(checkout, 'bin', 'firn.mjs'),
    `const { FIRN_HOME, FIRN_TF_BACKEND } = process.env
     console.log(JSON.stringify({ args: process.argv.slice(2), FIRN_HOME, FIRN_TF_BACKEND }))
     process.exit(Number(process.env.END ?? 0))`,
  )
  git('init', '-q')
  git('add', '.')
  git('-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '-qm', 'x')
  commit = git('rev-parse', 'HEAD')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function git(...args: readonly string[]): string {
  return execFileSync('git', ['-C', checkout, ...args], { encoding: 'utf8' }).trim()
}

function originOf(
  codeVersion: string | undefined,
  more: TrainedVersionChanges = {},
  backend = 'firn',
): VersionOrigin {
  const base = trainedVersion(more)
  const { libraries, platform, cpu, threads } = base.trained.environment
  const trained = {
    ...base.trained,
    environment: {
      backend,
      libraries,
      platform,
      cpu,
      threads,
      ...(codeVersion === undefined ? {} : { codeVersion }),
    },
  }
  const version = { ...base, trained, model: base.pin.model, version: 1, state: 'READY' as const }
  const training = describeTraining({ ...version, registeredAtMs: 0, revision: 1 })
  return { format: 1, ...training, inputs: [], batchCount: 0, batches: [], sources: [], unknown: [] }
}

function run(
  origin: VersionOrigin,
  env: Readonly<Record<string, string>> = {},
  where: readonly string[] = [checkout],
) {
  const path = join(folder, 'reproduce.sh')
  writeFileSync(path, reproduceScript(origin))
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('FIRN_'))
  const ended = spawnSync('sh', [path, ...where], {
    ...{ cwd: folder, encoding: 'utf8' },
    env: { ...Object.fromEntries(inherited), FIRN_HOME: home, ...env },
  })
  return { code: ended.status, stdout: ended.stdout, stderr: ended.stderr }
}

describe('reproduce.sh', () => {
  test('asks the checkout for the version, prints its answer alone, and ends as it does', () => {
    for (const code of [0, 1, 3]) {
      const ended = run(originOf(commit, {}, 'tfjs'), { END: String(code) })
      expect(ended.code).toBe(code)
      expect(JSON.parse(ended.stdout)).toEqual({
        ...{ args: ['reproduce', 'models:/m/1', '--json'], FIRN_HOME: home, FIRN_TF_BACKEND: 'tfjs' },
      })
      expect(ended.stderr).toContain('set up')
      expect(ended.stderr).not.toContain('warning')
    }
  })

  test('a folder of the lake that is relative means the same after it has gone to the checkout', () => {
    const ended = run(originOf(commit), { FIRN_HOME: "lake of 'ours'" })
    expect(JSON.parse(ended.stdout)).toMatchObject({ FIRN_HOME: home })
    expect(JSON.parse(ended.stdout)).not.toHaveProperty('FIRN_TF_BACKEND')
  })

  test('warns of another commit, of code that was changed then, and of code that is changed now', () => {
    const other = run(originOf('0123456789abcdef-dirty'))
    expect(other.code).toBe(0)
    expect(other.stderr).toContain(`was trained by commit 0123456789abcdef, this is ${commit}`)
    expect(other.stderr).toContain('had changes that were not committed')
    expect(run(originOf(undefined)).stderr).toContain('was not recorded')
    const text = `console.log('set up') // changed`
    writeFileSync(join(checkout, 'scripts', 'setup.mjs'), text)
    expect(run(originOf(commit)).stderr).toContain('this checkout has changes that are not committed')
    git('checkout', '-q', '.')
  })

  test('says what is missing: the lake, the checkout', () => {
    const noLake = run(originOf(commit), { FIRN_HOME: '/nowhere' })
    expect(noLake).toMatchObject({ code: 2, stdout: '' })
    expect(noLake.stderr).toContain('no lake in /nowhere: set FIRN_HOME')
    const noCheckout = run(originOf(commit), {}, [folder])
    expect(noCheckout).toMatchObject({ code: 2, stdout: '' })
    expect(noCheckout.stderr).toContain(`is no checkout of Firn: name the folder of one, at commit ${commit}`)
  })

  test('runs nothing that a name or a commit says', () => {
    const evil = `x'; touch ${folder}/evil; $(touch ${folder}/evil) \`touch ${folder}/evil\``
    const ended = run(originOf(evil, { pin: { model: evil, pipeline: evil } }, evil))
    expect(JSON.parse(ended.stdout)).toMatchObject({ args: ['reproduce', `models:/${evil}/1`, '--json'] })
    expect(spawnSync('ls', [folder], { encoding: 'utf8' }).stdout).not.toContain('evil')
  })
})
