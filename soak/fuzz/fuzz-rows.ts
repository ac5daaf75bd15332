import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuckDBEngine } from '../../engine/duckdb/duckdb-engine.js'
import type { Engine } from '../../engine/engine.js'
import type { FileScanTask } from '../../iceberg/scan/scan-plan.js'
import type { DataFile } from '../../iceberg/spec/data-file.js'
import type { Random } from '../random.js'
import { damage } from './damage.js'
import { rowFiles, SCHEMA } from './row-files.js'
import type { FuzzTarget, Trial } from './trial.js'

/** Data files and delete files of every format, read by the engine with one of them damaged. */
export class DamagedRows implements FuzzTarget {
  readonly name = 'rows'
  #folder = ''
  #engine: Engine | undefined
  #tasks: readonly FileScanTask[] = []
  #rows = ''
  readonly #whole = new Map<string, Buffer>()

  async create(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'firn-fuzz-'))
    this.#engine = createDuckDBEngine({ tempDirectory: join(this.#folder, 'temp'), threads: 1 })
    this.#tasks = await rowFiles(this.#folder, this.#engine)
    for (const { file, deletes } of this.#tasks)
      for (const one of [file, ...deletes]) this.#whole.set(one.filePath, await readFile(pathOf(one)))
    this.#rows = await this.#read(this.#tasks)
  }

  async tryDamaged(random: Random): Promise<Trial> {
    const [task, victim] = random.pick(this.#tasks.flatMap(victimsOf))
    const whole = this.#whole.get(victim.filePath) ?? Buffer.alloc(0)
    const part = victim.fileFormat === 'parquet' && random.chance(4) ? 'pages' : 'footer'
    const bytes = damagePart(whole, victim, part, random)
    // A path of its own: the engine takes files for immutable and remembers their footers.
    const filePath = `${victim.filePath}.${randomUUID()}`
    await writeFile(toPath(filePath), bytes)
    const damaged = { ...victim, filePath }
    const tasks = this.#tasks.map((one) =>
      one !== task
        ? one
        : victim === one.file
          ? { ...one, file: damaged }
          : { ...one, deletes: one.deletes.map((file) => (file === victim ? damaged : file)) },
    )
    try {
      const rows = await this.#read(tasks)
      if (rows === this.#rows) return { kind: 'unnoticed' }
      const problem = `${victim.content} ${victim.fileFormat} ${part}: other rows, and no error`
      return { kind: canTell(victim, part) ? 'wrong' : 'unseen', problem }
    } catch (error) {
      return { kind: 'refused', error }
    } finally {
      await unlink(toPath(filePath))
    }
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #read(tasks: readonly FileScanTask[]): Promise<string> {
    const session = await this.#engine?.openSession()
    if (session === undefined) return ''
    try {
      await session.addRelation({ kind: 'scan', name: 't', schema: SCHEMA, tasks })
      const { rows } = await session.query('SELECT * FROM t ORDER BY ALL')
      return JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
    } finally {
      await session.close()
    }
  }
}

/** All but data files of which position deletes know the path: the damaged one lies elsewhere. */
function victimsOf(task: FileScanTask): readonly (readonly [FileScanTask, DataFile])[] {
  const isNamed = task.deletes.some(
    (file) => file.content === 'position-deletes' && file.fileFormat !== 'puffin',
  )
  return [...(isNamed ? [] : [task.file]), ...task.deletes].map((file) => [task, file])
}

/**
 * Nothing could tell: pages and Avro's blocks have no checksum, and DuckDB believes the statistics of a delete file's
 * footer when it looks for the positions of few data files.
 */
function canTell({ content, fileFormat }: DataFile, part: string): boolean {
  if (fileFormat === 'puffin') return true
  return fileFormat === 'parquet' && part === 'footer' && content !== 'position-deletes'
}

/** Of a Parquet file one part only: the footer says what all is, pages have no checksum that the engine looks at. */
function damagePart(
  whole: Buffer,
  { fileFormat }: DataFile,
  part: 'footer' | 'pages',
  random: Random,
): Uint8Array {
  if (fileFormat !== 'parquet') return damage(whole, random)
  const footer = whole.length - 8 - whole.readUInt32LE(whole.length - 8)
  return part === 'pages'
    ? Buffer.concat([damage(whole.subarray(0, footer), random), whole.subarray(footer)])
    : Buffer.concat([whole.subarray(0, footer), damage(whole.subarray(footer), random)])
}

function pathOf(file: DataFile): string {
  return toPath(file.filePath)
}

function toPath(location: string): string {
  return location.replace('file://', '')
}
