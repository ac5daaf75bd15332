#!/usr/bin/env node
// Makes a fresh clone ready: npm packages, native addons, the Temporal dev server, dist/. Needs Node only (and Go
// where no prebuilt Temporal server can be had). Says what it does; quick when there is nothing to do.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const cacheDir = process.env.FIRN_CACHE ?? join(homedir(), '.cache', 'firn')
const modules = join(root, 'node_modules')
const exe = process.platform === 'win32' ? '.exe' : ''
const started = Date.now()
/** Pinned: newer releases carry a `replace` in go.mod and cannot be installed by `go install`. */
const TEMPORAL_CLI = 'github.com/temporalio/cli/cmd/temporal@v1.5.1'

const steps = [
  ['npm packages', installPackages],
  ['SQLite addon', buildSqlite],
  ['TensorFlow addon', buildTensorflow],
  ['Temporal dev server', findTemporal],
  ['dist/', buildDist],
]

/** Runs every step; a step returns undefined when nothing was to do, else what it did. */
export async function setup() {
  if (Number(process.versions.node.split('.')[0]) < 20)
    fail(`Node ${process.versions.node} is too old: install Node 20, 22 or 24.`)
  mkdirSync(cacheDir, { recursive: true })
  let did = 0
  for (const [index, [name, step]] of steps.entries()) {
    const say = (text) => console.error(`setup ${index + 1}/${steps.length}  ${name}: ${text}`)
    const result = await step(say)
    if (result === undefined) continue
    did += 1
    say(`${result} (${seconds()} s)`)
  }
  if (did > 0) console.error(`setup done in ${seconds()} s`)
}

// ---------------------------------------------------------------- npm packages

async function installPackages(say) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const marker = join(modules, '.firn-installed')
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return undefined
  say('installing, about a minute …')
  // Install scripts are left out: they would download; the two addons that matter are built by the next steps.
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync(marker, lock)
  return 'installed'
}

// ---------------------------------------------------------------- native addons

async function buildSqlite(say) {
  const folder = join(modules, 'better-sqlite3')
  const addon = join(folder, 'build', 'Release', 'better_sqlite3.node')
  if (loads(addon)) return undefined
  const version = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
  const cached = join(
    cacheDir,
    `better-sqlite3-${version}-${process.platform}-${process.arch}-node${process.versions.modules}.node`,
  )
  if (existsSync(cached)) {
    mkdirSync(dirname(addon), { recursive: true })
    copyFileSync(cached, addon)
    return 'taken from the cache'
  }
  say('fetching a prebuilt one, else compiling (about 90 s) …')
  await run('npm', ['rebuild', 'better-sqlite3', '--foreground-scripts', '--loglevel=error'])
  if (!existsSync(addon))
    fail('better-sqlite3 could not be built. Install a C++ compiler, make and Python 3, then run this again.')
  copyFileSync(addon, cached)
  return 'built'
}

async function buildTensorflow(say) {
  const { ensureNativeTensorflow } = await import(
    pathToFileURL(join(root, 'scripts', 'native-tensorflow.mjs')).href
  )
  const result = await ensureNativeTensorflow({ root, cacheDir, log: say })
  if (result === 'ready') return undefined
  if (result === 'built') return 'ready'
  const marker = join(cacheDir, 'tensorflow-fallback')
  const known = existsSync(marker) && readFileSync(marker, 'utf8') === result.fallback
  writeFileSync(marker, result.fallback)
  if (known) return undefined
  return `not to be had here, training falls back to the slower pure JavaScript backend (${result.fallback})`
}

// ---------------------------------------------------------------- Temporal

/** Configured address → on PATH → cached → the SDK's own download → `go install`. Where it lies: <cache>/bin/temporal. */
async function findTemporal(say) {
  const target = join(cacheDir, 'bin', `temporal${exe}`)
  if (
    process.env.TEMPORAL_ADDRESS ||
    process.env.FIRN_TEMPORAL_BIN ||
    onPath('temporal') ||
    existsSync(target)
  )
    return undefined
  mkdirSync(dirname(target), { recursive: true })
  say('downloading …')
  if (await downloadTemporal(target)) return 'downloaded'
  if (!onPath('go')) {
    fail(
      'No Temporal server: the download failed and Go is not installed. Install the Temporal CLI (https://docs.temporal.io/cli) ' +
        'or Go, or set TEMPORAL_ADDRESS to a running server, then run this again.',
    )
  }
  say('no prebuilt server can be downloaded here: compiling it with Go, about 3 minutes …')
  await run('go', ['install', TEMPORAL_CLI], { GOBIN: dirname(target), GOFLAGS: '-buildvcs=false' })
  return 'compiled'
}

/** The SDK fetches its dev server when a local test environment starts; done in a process of its own, with a bound. */
async function downloadTemporal(target) {
  const folder = join(cacheDir, 'download')
  mkdirSync(folder, { recursive: true })
  const script = `
    import { TestWorkflowEnvironment } from '@temporalio/testing'
    const env = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'cached-download', downloadDir: ${JSON.stringify(folder)} } } })
    await env.teardown()`
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    timeout: 120_000,
    stdio: 'ignore',
  })
  if (done.status !== 0) return false
  const binary = readdirSync(folder).find((name) => name.startsWith('temporal'))
  if (binary === undefined) return false
  copyFileSync(join(folder, binary), target)
  return true
}

// ---------------------------------------------------------------- dist

async function buildDist() {
  const { build } = await import(pathToFileURL(join(root, 'scripts', 'build.mjs')).href)
  const built = await build()
  return built.length === 0 ? undefined : `built ${built.join(', ')}`
}

// ---------------------------------------------------------------- small things

/** False also for an addon that was built for another version of Node. */
function loads(addon) {
  try {
    createRequire(import.meta.url)(addon)
    return true
  } catch {
    return false
  }
}

function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program + exe), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Runs a program with its output on ours; a failure ends the set-up with its last lines. */
function run(program, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...env },
      shell: process.platform === 'win32',
    })
    let tail = ''
    const keep = (chunk) => (tail = (tail + chunk).slice(-2000))
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => fail(`${program} could not be started: ${error.message}`))
    child.on('close', (code) =>
      code === 0 ? resolve() : fail(`${program} ${args.join(' ')} ended with ${code}:\n${tail}`),
    )
  })
}

function seconds() {
  return ((Date.now() - started) / 1000).toFixed(1)
}

function fail(message) {
  console.error(`setup failed: ${message}`)
  process.exit(1)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setup()
