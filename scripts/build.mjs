#!/usr/bin/env node
// Turns the TypeScript sources into dist/ (types stripped, file by file) and pre-builds the workflow bundle.
// Quick when nothing changed: what was built is known by the digest of its inputs.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')
const LAYERS = [
  'iceberg',
  'engine',
  'schemas',
  'lake',
  'ml',
  'pipelines',
  'activities',
  'workflows',
  'workers',
  'server',
  'cli',
  'soak',
  'bench',
]
/** What the workflow sandbox can see. */
const BUNDLED = ['workflows', 'schemas']

/** Builds what is stale; returns the names of the parts that were built. */
export async function build({ force = false } = {}) {
  const built = []
  const files = [...LAYERS.flatMap((layer) => filesUnder(join(root, layer))), join(root, 'index.ts')].filter(
    (f) => existsSync(f),
  )
  const sources = files.filter((f) => f.endsWith('.ts'))
  const sourcesDigest = digest(files)
  if (force || stale('sources', sourcesDigest)) {
    const esbuild = await import('esbuild')
    await esbuild.build({
      entryPoints: sources,
      outdir: dist,
      outbase: root,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: 'linked',
      logLevel: 'warning',
    })
    for (const file of files.filter((f) => !f.endsWith('.ts'))) {
      const target = join(dist, relative(root, file))
      mkdirSync(dirname(target), { recursive: true })
      copyFileSync(file, target)
    }
    removeOrphans(files)
    markBuilt('sources', sourcesDigest)
    built.push('sources')
  }
  const workflowFiles = BUNDLED.flatMap((layer) => filesUnder(join(root, layer)))
  workflowFiles.push(join(root, 'package-lock.json'))
  const workflowsDigest = digest(workflowFiles)
  if (existsSync(join(root, 'workflows', 'index.ts')) && (force || stale('workflows', workflowsDigest))) {
    await bundleWorkflows()
    markBuilt('workflows', workflowsDigest)
    built.push('workflow bundle')
  }
  return built
}

/**
 * Two bundles: one as it is, one with interceptors for spans, so that OpenTelemetry is nowhere where nobody traces. And which
 * SDK made them: no other one may run them.
 */
async function bundleWorkflows() {
  const { bundleWorkflowCode } = await import('@temporalio/worker')
  const quiet = { trace() {}, debug() {}, info() {}, log() {}, warn: console.warn, error: console.error }
  const module = (name) => join(dist, 'workflows', `${name}.js`)
  const bundle = async (file, ...workflowInterceptorModules) => {
    const options = { workflowsPath: module('index'), workflowInterceptorModules, logger: quiet }
    writeFileSync(join(dist, file), (await bundleWorkflowCode(options)).code)
  }
  const always = [module('log-interceptors'), module('retry-interceptors')]
  await bundle('workflow-bundle.js', ...always)
  await bundle('workflow-bundle-traced.js', module('trace-interceptors'), ...always)
  const sdk = createRequire(import.meta.url)('@temporalio/worker/package.json').version
  writeFileSync(join(dist, 'workflow-bundle.json'), `${JSON.stringify({ sdk })}\n`)
}

/** What was built from files that are gone. Not before the build: processes may be running from dist/. */
function removeOrphans(files) {
  const built = files.map((file) => join(dist, relative(root, file)).replace(/\.ts$/, '.js'))
  const kept = new Set(built.flatMap((file) => [file, `${file}.map`]))
  for (const file of LAYERS.flatMap((layer) => filesUnder(join(dist, layer)))) {
    if (!kept.has(file)) rmSync(file)
  }
}

function filesUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) =>
      entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)],
    )
    .sort()
}

function digest(files) {
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  for (const file of files) hash.update(relative(root, file)).update('\0').update(readFileSync(file))
  return hash.digest('hex')
}

const marker = (part) => join(dist, `.built-${part}`)
const stale = (part, now) => !existsSync(marker(part)) || readFileSync(marker(part), 'utf8') !== now
/** `built`: the digest taken before building, so that what changes meanwhile is built again. */
function markBuilt(part, built) {
  mkdirSync(dist, { recursive: true })
  writeFileSync(marker(part), built)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await build({ force: process.argv.includes('--force') })
  console.log(built.length === 0 ? 'dist is up to date' : `built ${built.join(', ')}`)
}
