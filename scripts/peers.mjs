#!/usr/bin/env node
// Fetches the real implementations that `npm run test:peers` compares with, once, into the cache; writes peers.json
// there, which tells the tests where each is or why it could not be had (a skip then says so).
import { execFile, spawn, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cacheDir = join(process.env.FIRN_CACHE ?? join(homedir(), '.cache', 'firn'), 'peers')
const PYTHON_PACKAGES = [
  'pyiceberg[sql-sqlite,pyarrow,pyiceberg-core]==0.12.0',
  'pyspark==3.5.9',
  // Turns SQL of DuckDB to Spark's for the Spark engine.
  'sqlglot==30.30.0',
]
/** What models are compared with, apart from the others: their versions of NumPy differ. The SDK runs workers of other languages. */
const ML_PACKAGES = [
  ...readFileSync(new URL('../examples/python-trainer/requirements.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n'),
  'pandas==3.1.1',
  'xgboost-cpu==3.2.0',
]
const JARS = [
  'org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.0',
  'org.xerial:sqlite-jdbc:3.50.3.0',
  'org.apache.iceberg:iceberg-aws-bundle:1.10.0',
  // Spark's own access to S3, without the 280 MB of all of AWS that hadoop-aws names.
  'org.apache.hadoop:hadoop-aws:3.3.4',
  'com.amazonaws:aws-java-sdk-core:1.12.262',
  'com.amazonaws:aws-java-sdk-s3:1.12.262',
  'com.amazonaws:aws-java-sdk-dynamodb:1.12.262',
  'com.amazonaws:aws-java-sdk-sts:1.12.262',
  'com.amazonaws:aws-java-sdk-kms:1.12.262',
  'com.amazonaws:jmespath-java:1.12.262',
]
/** What Spark does while it learns which classes its tests load. */
const SPARK_STATEMENTS = [
  'CREATE NAMESPACE firn.n',
  "CREATE TABLE firn.n.t (id BIGINT, kind STRING) USING iceberg PARTITIONED BY (kind) TBLPROPERTIES ('format-version'='2', 'write.delete.mode'='merge-on-read')",
  "INSERT INTO firn.n.t SELECT id, 'a' FROM range(9)",
  'DELETE FROM firn.n.t WHERE id % 2 = 0',
  'SELECT * FROM firn.n.t',
]
const COMPOSE = 'github.com/compose-spec/compose-go/v2@v2.16.2'
const GATEWAY = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'

const KIT = fileURLToPath(new URL('../test/peers/rck/pom.xml', import.meta.url))

const report = join(cacheDir, 'peers.json')
const wanted = JSON.stringify([
  PYTHON_PACKAGES,
  ML_PACKAGES,
  JARS,
  SPARK_STATEMENTS,
  COMPOSE,
  GATEWAY,
  readFileSync(KIT, 'utf8'),
])
const isThere = existsSync(report) && JSON.parse(readFileSync(report, 'utf8')).wanted === wanted
await Promise.all([fetchBrowser(), isThere ? fetchServices() : fetchPeers()])

/** Beside each other, but for those of Maven and those of Go, whose caches they share. */
async function fetchPeers() {
  mkdirSync(cacheDir, { recursive: true })
  const missing = {}
  const attempt = async (name, fetch) => {
    try {
      return await fetch()
    } catch (error) {
      missing[name] = error.message
      return null
    }
  }
  const ofGo = attempt('compose', fetchComposeSchema)
  const jars = fetchServices().then(() => attempt('spark', fetchJars))
  const kit = jars.then(() => attempt('rck', fetchKit))
  const [python, mlPython, composeSchema, versitygw] = await Promise.all([
    attempt('python', fetchPython),
    attempt('ml', fetchMl),
    ofGo,
    ofGo.then(() => attempt('versitygw', fetchGateway)),
  ])
  const found = await jars
  const spark = python && found && (await archiveSpark(python, found))
  await kit
  const isAll = Object.keys(missing).length === 0
  const peers = {
    ...{ wanted: isAll ? wanted : 'incomplete', python, mlPython, composeSchema, versitygw, missing },
    ...{ sparkJars: spark && found, spark },
  }
  writeFileSync(report, JSON.stringify(peers, null, 2))
  console.error(`peers: ${isAll ? 'all there' : `missing ${Object.keys(missing).join(', ')}`}`)
}

/** What tests run against besides the S3 store; one that can't be had is told by the tests that need it. */
function fetchServices() {
  const command = fileURLToPath(new URL('services.mjs', import.meta.url))
  return ended(
    spawn(process.execPath, [command, 'fetch', 'temporal', 'kafka', 'redis'], { stdio: 'inherit' }),
  )
}

/** For Temporal's UI; only where it is a package of the system and this process may install one, as in a container. */
async function fetchBrowser() {
  const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
  const known = ['chromium', 'chromium-browser', 'google-chrome']
  if (process.env.CHROMIUM_PATH !== undefined || known.some(has)) return
  if (process.getuid?.() !== 0 || !has('apt-get')) return
  console.error('peers: Chromium, about a minute …')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = 'apt-get install -y --no-install-recommends chromium'
  await ended(
    spawn('sh', ['-c', `${install} || { apt-get update && ${install}; }`], { env, timeout: 240_000 }),
  )
}

function fetchPython() {
  console.error('peers: PyIceberg and Spark, about a minute …')
  return fetchPackages(join(cacheDir, 'venv'), PYTHON_PACKAGES)
}

function fetchMl() {
  console.error('peers: XGBoost and scikit-learn, about a minute …')
  return fetchPackages(join(cacheDir, '..', 'ml-peers', 'venv'), ML_PACKAGES)
}

async function fetchPackages(venv, packages) {
  await run('python3', ['-m', 'venv', venv])
  const bin = join(venv, 'bin', 'python')
  await run(bin, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages])
  return bin
}

async function fetchJars() {
  console.error('peers: Iceberg runtime for Spark …')
  await run('java', ['-version'])
  const folder = join(cacheDir, 'jars')
  const copy = ['-q', '-B', 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy']
  const jars = []
  for (const artifact of JARS) {
    await run('mvn', [...copy, `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`])
    const [, name, version] = artifact.split(':')
    jars.push(join(folder, `${name}-${version}.jar`))
  }
  return jars
}

/** Settings of a session that finds its classes in an archive, as one left them at its end: half the time of a start. */
async function archiveSpark(python, jars) {
  console.error('peers: archive of Spark’s classes …')
  const archive = join(cacheDir, 'spark.jsa')
  const settings = (option) => ({
    'spark.driver.extraClassPath': jars.join(delimiter),
    'spark.driver.extraJavaOptions': `-Xlog:disable ${option}=${archive}`,
  })
  const folder = mkdtempSync(join(cacheDir, 'archive-'))
  try {
    const catalogs = { firn: { db: join(folder, 'catalog.db'), warehouse: folder } }
    const script = fileURLToPath(new URL('../test/peers/peer.py', import.meta.url))
    // PyIceberg makes the catalog's tables.
    const calls = [{ call: 'tables', args: { reader: 'pyiceberg' } }]
    for (const text of SPARK_STATEMENTS) calls.push({ call: 'sql', args: { text } })
    const args = [script, JSON.stringify(catalogs), JSON.stringify(settings('-XX:ArchiveClassesAtExit'))]
    const answers = await run(python, args, { input: calls.map((call) => JSON.stringify(call)).join('\n') })
    if (answers.includes('"error"')) throw new Error(answers.slice(0, 2000))
  } catch (error) {
    // The JVM goes without an archive that is not there.
    console.error(`peers: no archive of Spark's classes, its sessions start more slowly: ${error.message}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
  return settings('-XX:SharedArchiveFile')
}

/** The official JSON schema of the compose specification, out of its Go module. */
async function fetchComposeSchema() {
  console.error('peers: compose specification …')
  const folder = join(cacheDir, 'compose')
  mkdirSync(folder, { recursive: true })
  const module = JSON.parse(await run('go', ['mod', 'download', '-json', COMPOSE], { cwd: folder }))
  return join(module.Dir, 'schema', 'compose-spec.json')
}

/** An S3 store over a folder, built from its sources. */
async function fetchGateway() {
  const folder = join(cacheDir, 'bin')
  const program = join(folder, 'versitygw')
  console.error('peers: S3 gateway, about a minute …')
  await run('go', ['install', GATEWAY], { env: { ...process.env, GOBIN: folder } })
  return program
}

/** Apache's REST Compatibility Kit into Maven's own cache: a run that looks for a test that is not there. */
async function fetchKit() {
  console.error('peers: REST Compatibility Kit …')
  const folder = join(cacheDir, 'rck')
  mkdirSync(folder, { recursive: true })
  copyFileSync(KIT, join(folder, 'pom.xml'))
  await run('mvn', ['-q', '-B', 'test', '-Dkit.tests=None', '-Dsurefire.failIfNoSpecifiedTests=false'], {
    cwd: folder,
  })
  return KIT
}

/** Gives what the program says on stdout; `input` is what it hears. */
function run(program, args, { input, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const limits = { timeout: 600_000, maxBuffer: 1 << 26 }
    const child = execFile(program, args, { ...limits, ...options }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else if (error.code === 'ENOENT') reject(new Error(`${program} is not installed (${error.message})`))
      else reject(new Error(`${program} ${args[0]} failed: ${stderr.slice(-500)}`))
    })
    // A program that ends early is told by its status.
    child.stdin?.on('error', () => undefined).end(input)
  })
}

function ended(child) {
  return new Promise((resolve) => child.once('error', resolve).once('exit', resolve))
}
