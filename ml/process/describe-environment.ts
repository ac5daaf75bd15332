import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { canonicalJson } from '../../schemas/canonical-json.js'
import type { TrainingEnvironment } from '../../schemas/model-messages.js'
import { THREAD_SETTINGS } from '../training/tensorflow.js'

/** What computes: an estimator's `backend()`. */
export interface Backend {
  readonly name: string
  readonly libraries: Readonly<Record<string, string>>
}

/** What weights may depend on in this process, beside data, seed and definition. The code's version is the parent's to add. */
export async function describeEnvironment(backend: Backend): Promise<TrainingEnvironment> {
  return {
    backend: backend.name,
    libraries: { node: process.versions.node, ...backend.libraries },
    platform: `${process.platform}-${process.arch}`,
    cpu: await describeCpu(),
    threads: Object.fromEntries(
      Object.keys(THREAD_SETTINGS).map((name) => [name, process.env[name] ?? 'unset']),
    ),
  }
}

/** SHA-256 of it, for checkpoints that must not be gone on from elsewhere (`bindCheckpoints`). */
export function environmentDigest(environment: TrainingEnvironment): Uint8Array {
  return createHash('sha256').update(canonicalJson(environment)).digest()
}

/** Instruction sets that kernels are chosen by. */
const INSTRUCTION_SETS = [
  'sse4_2',
  'avx',
  'avx2',
  'fma',
  'avx512f',
  'avx512_vnni',
  'avx512_bf16',
  'asimd',
  'sve',
]

/** Model, instruction sets, and the caches that products of matrices are cut into blocks by. */
async function describeCpu(): Promise<string> {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '')
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(info)?.[1]?.trim().split(/\s+/))
  const sets = INSTRUCTION_SETS.filter((name) => flags.has(name))
  const model = /^model name\s*:(.*)$/m.exec(info)?.[1]?.trim() ?? cpus()[0]?.model ?? 'unknown'
  return [model, sets.join(' '), await describeCaches()].filter((part) => part !== '').join('; ')
}

async function describeCaches(): Promise<string> {
  const caches = [0, 2, 3].map(async (index) => {
    const folder = `/sys/devices/system/cpu/cpu0/cache/index${index}`
    const [level, size] = await Promise.all(
      ['level', 'size'].map(async (name) => (await readFile(`${folder}/${name}`, 'utf8')).trim()),
    )
    return `L${level} ${size}`
  })
  const found = await Promise.allSettled(caches)
  return found.flatMap((cache) => (cache.status === 'fulfilled' ? [cache.value] : [])).join(' ')
}
