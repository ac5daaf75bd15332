// Makes the native TensorFlow addon of @tensorflow/tfjs-node loadable, by the first way that works: as it is, from the
// cache, by the package's own install script, or built against the library inside TensorFlow's Python wheel.
// It never fails the set-up: where no way works, training runs on the pure JavaScript backend.
import { spawn } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Newest TensorFlow whose C library the addon's sources compile against. */
const WHEEL = 'tensorflow-cpu==2.15.1'
const FRAMEWORK = 'libtensorflow_framework.so.2'
const LIBRARY = 'libtensorflow_cc.so.2'
/** After this long a way that failed is tried again. */
const RETRY_MS = 24 * 3600_000

/**
 * Returns 'ready' where there was nothing to do, 'built' where something was done, or why there is only the fallback.
 * `cacheDir` keeps what was built, so that the next clone has it in a second.
 */
export async function ensureNativeTensorflow({ root, log, cacheDir }) {
  const folder = join(root, 'node_modules', '@tensorflow', 'tfjs-node')
  const marker = join(folder, '.firn-native')
  const known = readMarker(marker)
  if (known !== undefined) return known
  if (!existsSync(folder)) return { fallback: 'the optional package @tensorflow/tfjs-node is not installed' }
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const cached = join(
    cacheDir ?? join(homedir(), '.cache', 'firn'),
    `tfjs-node-${version}-${process.platform}-${process.arch}-napi8`,
  )
  let result = 'ready'
  if (!(await loads(root))) {
    try {
      await install({ root, folder, cached, log })
      result = 'built'
    } catch (error) {
      result = { fallback: error.message }
    }
  }
  writeFileSync(marker, result === 'built' ? 'ready' : (result.fallback ?? result))
  return result
}

function readMarker(marker) {
  if (!existsSync(marker)) return undefined
  const text = readFileSync(marker, 'utf8')
  if (text === 'ready') return 'ready'
  return Date.now() - statSync(marker).mtimeMs < RETRY_MS ? { fallback: text } : undefined
}

async function install({ root, folder, cached, log }) {
  if (existsSync(cached)) {
    restore(cached, folder)
    if (await loads(root)) return log('taken from the cache')
    rmSync(cached, { recursive: true, force: true })
  }
  log("trying the package's own download …")
  if (await ownInstall(root, folder)) return keep(folder, cached)
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `its own download failed and there is no other way on ${process.platform} ${process.arch}`,
    )
  }
  log(`no download: building it against ${WHEEL}, about a minute …`)
  await buildFromWheel({ root, folder, scratch: `${cached}.tmp-${process.pid}`, log })
  if (!(await loads(root))) throw new Error('the addon was built but does not load')
  keep(folder, cached)
}

/** Whether the addon loads and computes, seen in a process of its own: a bad library would end this one. */
async function loads(root) {
  // The package still calls a function that Node 23 removed.
  const script = `
    const util = require('node:util')
    util.isNullOrUndefined ??= (value) => value == null
    const tf = require('@tensorflow/tfjs-node')
    if (tf.add(1, 2).dataSync()[0] !== 3) process.exit(1)`
  return succeeds(process.execPath, ['-e', script], { cwd: root })
}

async function ownInstall(root, folder) {
  const description = readFileSync(join(folder, 'package.json'))
  try {
    const installed = await succeeds(process.execPath, ['scripts/install.js'], {
      cwd: folder,
      env: binPath(root),
      timeout: 180_000,
    })
    return installed && (await loads(root))
  } finally {
    // The script changes its own package.json and leaves it so where it fails.
    writeFileSync(join(folder, 'package.json'), description)
  }
}

async function buildFromWheel({ root, folder, scratch, log }) {
  const deps = join(folder, 'deps')
  rmSync(deps, { recursive: true, force: true })
  mkdirSync(scratch, { recursive: true })
  try {
    log(`fetching the wheel (200 MB) …`)
    await must('python3', [
      ...['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--python-version=3.11'],
      ...['--platform=manylinux2014_x86_64', '--dest', scratch, WHEEL],
    ])
    log('unpacking it …')
    await must('python3', ['-c', UNPACK, scratch, deps])
    const lib = join(deps, 'lib')
    symlinkSync(LIBRARY, join(lib, 'libtensorflow.so'))
    symlinkSync(FRAMEWORK, join(lib, 'libtensorflow_framework.so'))
    log('compiling the addon …')
    const headers = join(dirname(dirname(process.execPath)), 'include', 'node', 'node_api.h')
    await must('node-pre-gyp', ['install', '--build-from-source'], {
      cwd: folder,
      env: {
        ...binPath(root),
        // Node's own headers where they are installed, so that none need to be fetched.
        ...(existsSync(headers) && { npm_config_nodedir: dirname(dirname(process.execPath)) }),
      },
    })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
    rmSync(join(deps, 'include'), { recursive: true, force: true })
    rmSync(join(folder, 'build'), { recursive: true, force: true })
  }
}

const UNPACK = `
import glob, os, shutil, sys, zipfile
scratch, deps = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(scratch + '/*.whl')[0])
os.makedirs(deps + '/lib')
for library in ('${LIBRARY}', '${FRAMEWORK}'):
    with wheel.open('tensorflow/' + library) as source, open(deps + '/lib/' + library, 'wb') as target:
        shutil.copyfileobj(source, target, 1 << 20)
prefix = 'tensorflow/include/'
for name in wheel.namelist():
    if name.startswith((prefix + 'tensorflow/', prefix + 'tsl/')) and name.endswith('.h'):
        path = os.path.join(deps, 'include', name[len(prefix):])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as target:
            target.write(wheel.read(name))
`

// ---------------------------------------------------------------- the cache

/** What the addon needs at run time, relative to its package. */
const PARTS = ['lib', join('deps', 'lib')]

function keep(folder, cached) {
  const scratch = `${cached}.tmp-${process.pid}`
  for (const part of PARTS) {
    if (existsSync(join(folder, part))) linkTree(join(folder, part), join(scratch, part))
  }
  try {
    renameSync(scratch, cached)
  } catch {
    // Somebody else kept it at the same moment.
    rmSync(scratch, { recursive: true, force: true })
  }
}

function restore(cached, folder) {
  for (const part of PARTS) {
    rmSync(join(folder, part), { recursive: true, force: true })
    if (existsSync(join(cached, part))) linkTree(join(cached, part), join(folder, part))
  }
}

/** Hard links where source and target share a disk, else copies. */
function linkTree(source, target) {
  mkdirSync(target, { recursive: true })
  for (const name of readdirSync(source)) {
    const [from, to] = [join(source, name), join(target, name)]
    if (statSync(from).isDirectory()) {
      linkTree(from, to)
      continue
    }
    // The short names serve only the linker.
    if (name === 'libtensorflow.so' || name === 'libtensorflow_framework.so') continue
    try {
      linkSync(from, to)
    } catch {
      copyFileSync(from, to)
    }
  }
}

// ---------------------------------------------------------------- programs

function binPath(root) {
  return { PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}` }
}

async function must(program, args, options) {
  const done = await run(program, args, options)
  if (done.code !== 0) {
    const last = done.output.trim().split('\n').at(-1) ?? ''
    throw new Error(`${program} ${args.slice(0, 3).join(' ')} failed: ${last.slice(0, 200)}`)
  }
}

async function succeeds(program, args, options) {
  return (await run(program, args, options)).code === 0
}

function run(program, args, { cwd, env = {}, timeout = 600_000 } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout,
    })
    let output = ''
    const collect = (chunk) => (output = (output + chunk).slice(-4000))
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', (error) => resolve({ code: 1, output: error.message }))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..')
  const result = await ensureNativeTensorflow({ root, log: console.error, cacheDir: process.env.FIRN_CACHE })
  console.error(typeof result === 'string' ? result : `fallback: ${result.fallback}`)
}
