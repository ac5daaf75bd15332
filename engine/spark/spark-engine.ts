import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { packageRoot } from '../compiled-entry.js'
import { EngineError } from '../engine.js'
import type { SparkControl, SparkEngine, SparkJob, SparkProblem, SparkStaged } from './spark-job.js'
import { submit } from './submit.js'

/** How Spark reaches the tables. */
export interface SparkCatalog {
  /** What Spark calls it. */
  readonly name: string
  /** Iceberg's, such as `type`, `uri`, `warehouse`. No secrets. */
  readonly properties: Readonly<Record<string, string>>
  readonly token?: string
}

export interface SparkEngineOptions {
  /** The program and what comes before its options, e.g. `['spark-submit']`. */
  readonly command: readonly string[]
  /** `local[*]`, `k8s://https://…`, `spark://…`, `yarn`. */
  readonly master: string
  /** Further `--conf`; of equal keys the later one counts. No secrets: others on the machine see a command line. */
  readonly conf: Readonly<Record<string, string>>
  /** Maven coordinates for `--packages`, and files for `--jars`. */
  readonly packages: readonly string[]
  readonly jars: readonly string[]
  /** Folder for job files, made when needed. */
  readonly tempDirectory: string
  /** Opens the catalog for as long as `use` runs. */
  readonly withCatalog: <T>(use: (catalog: SparkCatalog) => Promise<T>) => Promise<T>
  readonly newUuid: () => string
}

const MARK = '@firn '

/** Runs jobs by `spark-submit` of runner.py, the driver on this machine; a session that is stopped is killed. */
export function createSparkEngine(options: SparkEngineOptions): SparkEngine {
  return {
    async run(job, control = {}) {
      if (job.kind === 'check') await runJob(options, job, undefined, control)
      else await options.withCatalog((catalog) => runJob(options, job, catalog, control))
    },
  }
}

async function runJob(
  options: SparkEngineOptions,
  job: SparkJob,
  catalog: SparkCatalog | undefined,
  control: SparkControl,
): Promise<void> {
  const folder = join(options.tempDirectory, `spark-${options.newUuid()}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'job.json')
  const given =
    catalog === undefined ? {} : { catalog: { name: catalog.name, properties: catalog.properties } }
  await writeFile(path, JSON.stringify({ ...job, ...given, parent: process.pid }), { mode: 0o600 })
  const lines = new JobLines(control)
  try {
    const ended = await submit({
      command: [...options.command, ...submitOptions(options), runnerPath(), path],
      env: {
        PYTHONDONTWRITEBYTECODE: '1',
        ...pythonBeside(options.command[0] ?? ''),
        ...(catalog?.token === undefined ? {} : { FIRN_SPARK_CATALOG_TOKEN: catalog.token }),
      },
      onLine: (line) => lines.take(line),
      failed: lines.failed,
      ...(control.signal === undefined ? {} : { signal: control.signal }),
    })
    await lines.settled()
    if (lines.error !== undefined) throw lines.error
    if (ended.code !== 0) throw crashed(ended.code, ended.tail)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function submitOptions({ master, conf, packages, jars }: SparkEngineOptions): readonly string[] {
  return [
    ...['--master', master],
    ...(packages.length === 0 ? [] : ['--packages', packages.join(',')]),
    ...(jars.length === 0 ? [] : ['--jars', jars.join(',')]),
    ...Object.entries(conf).flatMap(([key, value]) => ['--conf', `${key}=${value}`]),
  ]
}

/** A virtual environment's own Python, where its `spark-submit` is called by its path and nobody says which. */
function pythonBeside(program: string): Readonly<Record<string, string>> {
  const python = join(dirname(program), 'python3')
  const isSaid = process.env['PYSPARK_PYTHON'] !== undefined || process.env['SPARK_HOME'] !== undefined
  return isSaid || !isAbsolute(program) || !existsSync(python) ? {} : { PYSPARK_PYTHON: python }
}

/** Beside the compiled code, with translate.py, which it imports. */
function runnerPath(): string {
  return join(packageRoot(), 'dist', 'engine', 'spark', 'runner.py')
}

/** What the runner says, one thing after another: a table is taken before the next one. */
class JobLines {
  error: EngineError | undefined
  /** Aborts where what was staged can't be taken. */
  readonly failed: AbortSignal
  #last: Promise<void> = Promise.resolve()
  readonly #control: SparkControl
  readonly #failed = new AbortController()
  #thrown: { readonly error: unknown } | undefined

  constructor(control: SparkControl) {
    this.#control = control
    this.failed = this.#failed.signal
  }

  take(line: string): void {
    if (!line.startsWith(MARK)) return
    const said = JSON.parse(line.slice(MARK.length)) as {
      readonly progress?: string
      readonly staged?: SparkStaged
      readonly problem?: SparkProblem
      readonly error?: SparkProblem
    }
    const { onProgress, onStaged, onProblem } = this.#control
    if (said.progress !== undefined) onProgress?.(said.progress)
    if (said.problem !== undefined) onProblem?.(said.problem)
    if (said.error !== undefined) this.error = engineError(said.error)
    const { staged } = said
    if (staged === undefined || onStaged === undefined) return
    this.#last = this.#last.then(async () => {
      if (this.#thrown !== undefined) return
      try {
        await onStaged(staged)
      } catch (error) {
        this.#thrown = { error }
        this.#failed.abort()
      }
    })
  }

  /** Everything said so far is dealt with; throws what that threw. */
  async settled(): Promise<void> {
    await this.#last
    if (this.#thrown !== undefined) throw this.#thrown.error
  }
}

function engineError({ table, kind, message }: SparkProblem): EngineError {
  const where = table === null ? 'Spark' : `table ${table} on Spark`
  const next =
    kind === 'sql-invalid'
      ? '; correct it, or give the table SQL of its own for Spark in <name>.spark.sql'
      : ''
  return new EngineError(kind, `${where}: ${message}${next}`, { context: table === null ? {} : { table } })
}

function crashed(code: number | null, tail: string): EngineError {
  const lines = tail
    .split('\n')
    .filter((line) => /\S/.test(line) && !/^\s+at |^\d\d\/\d\d\/\d\d .* (INFO|WARN) /.test(line))
  const said = lines.find((line) => /error|exception|not found|cannot|refused/i.test(line)) ?? lines.at(-1)
  return new EngineError(
    'io',
    `spark-submit ended with ${code ?? 'a signal'}: ${said?.trim() ?? 'it said nothing'}`,
  )
}
