import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { MemoryFileIO } from '../../iceberg/io/memory.js'
import { openCheckpoints } from '../../ml/models/checkpoint-store.js'
import type { FitOptions, TrainingInputs } from '../../ml/models/estimator.js'
import { codeVersion } from '../../ml/process/code-version.js'
import { runChild, type ChildOptions } from '../../ml/process/run-child.js'
import { threadSettings } from '../../ml/training/tensorflow.js'
import type { TrainingEnvironment, TrainingProgress } from '../../schemas/model-messages.js'
import { CNN, DENSE, denseOptions, toyRows } from './support/toy-inputs.js'

type Fit = Omit<FitOptions, 'onEpoch' | 'checkpoints'>

interface FitResult {
  readonly digest: string
  readonly predictions: string
  readonly weights: Uint8Array
  readonly resumedFrom?: number
  readonly environment: TrainingEnvironment
}

/** Large enough for sums to be shared out among threads: where this was written one thread gives other bits than two. */
const WIDE: Fit = fitOf({
  train: manyColumns(toyRows('binary-classification', 25_600), 2000),
  definition: { ...DENSE, hidden: [16], batchSize: 64, epochs: 2 },
})
const PICTURES: Fit = {
  ...fitOf({ train: manyColumns(toyRows('binary-classification', 8064), 576) }),
  definition: { ...CNN, shape: [24, 24, 1], batchSize: 64, epochs: 2 },
}

describe('two trainings with one seed', () => {
  test('are equal in two processes, also where the system leaves one of them a single core', async () => {
    const free = await fitInProcess([WIDE, PICTURES])
    const again = await runFits([WIDE, PICTURES])
    expect(again.map(withoutWeights)).toEqual(free)
    if (!hasTaskset()) {
      console.log('not pinned to one core: there is no taskset on this machine')
      return
    }
    expect(await fitInProcess([WIDE, PICTURES], ['taskset', '-c', '0'])).toEqual(free)
  })

  test('say what they ran on', async () => {
    const [[two], [one]] = await Promise.all([runFits([WIDE]), runFits([WIDE], { env: threadSettings(1) })])
    const { environment } = two!
    expect(environment).toMatchObject({
      libraries: { node: process.versions.node },
      platform: `${process.platform}-${process.arch}`,
      cpu: expect.stringMatching(/\w/) as string,
      threads: threadSettings(2),
    })
    expect(one!.environment).toEqual({ ...environment, threads: threadSettings(1) })
    expect(environment.backend).toBe('tfjs-node')
    expect(environment.libraries['libtensorflow']).toMatch(/^\d+\.\d+/)
  })
})

describe('the backend in pure JavaScript', () => {
  test('fits when it is asked for, the same each time, and is recorded; its last bits are its own', async () => {
    const fits = [fitOf({})]
    const env = { ...threadSettings(), FIRN_TF_BACKEND: 'tfjs' }
    const [[slow], [again], [native]] = await Promise.all([
      runFits(fits, { env }),
      runFits(fits, { env }),
      runFits([fitOf({})]),
    ])
    expect(slow!.environment).toMatchObject({ backend: 'tfjs', libraries: { '@tensorflow/tfjs': '4.22.0' } })
    expect(again).toEqual(slow)
    const [own, theirs] = [slow!, native!].map(
      ({ weights }) => new Float32Array(Uint8Array.from(weights).buffer),
    )
    own!.forEach((weight, at) => expect(weight).toBeCloseTo(theirs![at]!, 3))
    expect(slow!.digest).not.toBe(native!.digest)
  })

  test('a backend that does not exist is refused', async () => {
    const fits = runFits([fitOf({})], { env: { FIRN_TF_BACKEND: 'cuda' } })
    await expect(fits).rejects.toMatchObject({ kind: 'config' })
    await expect(fits).rejects.toThrow(/FIRN_TF_BACKEND is "cuda"; take `tfjs-node` \(native\) or `tfjs`/)
  })
})

describe('a training whose process is killed', () => {
  test('after every one of its epochs, ends equal to the undisturbed one', async () => {
    const fit = fitOf({
      definition: { ...DENSE, epochs: 4, learningRate: 0.1, earlyStopping: { patience: 2 } },
      validation: toyRows('binary-classification', 50, 7),
    })
    const [undisturbed] = await runFits([fit])
    const io = new MemoryFileIO()
    const store = () => openCheckpoints({ io, warehouse: 'memory://lake', key: 'one' })
    const resumedFrom: (number | undefined)[] = []
    for (;;) {
      // A worker of its own each time: nothing but the warehouse is left of the one before.
      const checkpoints = store()
      const kill = new AbortController()
      const save = async (state: Uint8Array): Promise<void> => {
        await checkpoints.save(state)
        kill.abort()
      }
      const result = await runFits([fit], {
        checkpoints: { load: checkpoints.load, save },
        checkpointEveryMs: 0,
        signal: kill.signal,
      }).catch((error: unknown) => {
        expect(error).toMatchObject({ kind: 'cancelled' })
      })
      if (result === undefined) continue
      resumedFrom.push(result[0]!.resumedFrom)
      expect(result[0]!.digest).toBe(undisturbed!.digest)
      break
    }
    expect(resumedFrom[0]).toBeGreaterThanOrEqual(2)
    await store().sweep()
    expect(await store().load()).toBeUndefined()
  })

  test('goes on without checkpoints that cannot be reached, and says so', async () => {
    const said: string[] = []
    const broken = () => Promise.reject(new Error('the bucket is closed'))
    const [fitted] = await runFits([fitOf({})], {
      checkpoints: { load: broken, save: broken },
      checkpointEveryMs: 0,
      onProgress: (message) => said.push(message),
    })
    expect(fitted!.resumedFrom).toBeUndefined()
    expect(said).toContain(
      'a checkpoint could not be loaded (the bucket is closed); the training goes on without it',
    )
    expect(said.filter((message) => message.includes('could not be saved'))).toHaveLength(DENSE.epochs)
  })
})

test('a child tells where it stands, in words and numbers, the last epoch of each phase in any case', async () => {
  const said: string[] = []
  const told: TrainingProgress[] = []
  await runFits([fitOf({ validation: toyRows('binary-classification', 20, 3) }), PICTURES], {
    onProgress: (message) => said.push(message),
    onTraining: (progress) => told.push(progress),
  })
  expect(said).toHaveLength(told.length)
  expect(told.filter(({ phase }) => phase === 'dense').at(-1)).toMatchObject({ epoch: 6, epochs: 6 })
  expect(told.at(-1)).toMatchObject({ phase: 'cnn', epoch: 2, epochs: 2 })
  expect(said.at(-1)).toMatch(/^cnn: epoch 2\/2, loss \d\.\d+$/)
  expect(said[0]).toMatch(/^dense: epoch \d\/6, loss \d\.\d+, \d\.\d+ on validation rows$/)
})

test('the version of the code is its commit, and absent outside a repository', async () => {
  const head = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim()
  expect(await codeVersion()).toMatch(new RegExp(`^${head}(-dirty)?$`))
  expect(await codeVersion('/')).toBeUndefined()
})

function fitOf(changes: Parameters<typeof denseOptions>[0]): Fit {
  const fit: Partial<FitOptions> = denseOptions(changes)
  // Functions don't go to another process.
  delete (fit as { onEpoch?: unknown }).onEpoch
  return fit as Fit
}

function runFits(fits: readonly Fit[], options: Partial<ChildOptions> = {}): Promise<readonly FitResult[]> {
  return runChild(
    new URL('support/fit-child.mjs', import.meta.url),
    { fits },
    { env: threadSettings(), ...options },
  )
}

/** The same numbers in longer rows. */
function manyColumns(rows: TrainingInputs, count: number): TrainingInputs {
  const columns = Array.from({ length: count }, (_, at) => `c${at}`)
  const own = rows.x.length / count
  return { rows: own, columns, x: rows.x, y: rows.y.subarray(0, own) }
}

/** From a parent of its own, itself started by a command. */
async function fitInProcess(fits: readonly Fit[], command: readonly string[] = []): Promise<unknown> {
  const script = join(import.meta.dirname, 'support', 'fit-process.mjs')
  const [program, ...args] = [...command, process.execPath, script]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(
    JSON.stringify({ fits, env: threadSettings() }, (_key, value: unknown) =>
      value instanceof Float64Array ? { floats: [...value] } : value,
    ),
  )
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  return JSON.parse(output)
}

function withoutWeights(result: FitResult): object {
  return JSON.parse(JSON.stringify({ ...result, weights: undefined })) as object
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-c', '0', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
