import { createRequire } from 'node:module'
import util from 'node:util'
import type * as Tensorflow from '@tensorflow/tfjs'
import { FirnError } from '../../schemas/error.js'

export type Tf = typeof Tensorflow

export interface LoadedTensorflow {
  readonly tf: Tf
  readonly backend: 'tfjs-node' | 'tfjs'
}

/**
 * What a training is bit for bit reproducible under: weights differ between thread counts and with oneDNN's kernels.
 * Read by the native library when it is loaded, so they are set on the process that loads it.
 */
export const THREAD_SETTINGS = {
  TF_NUM_INTRAOP_THREADS: '2',
  TF_NUM_INTEROP_THREADS: '1',
  TF_ENABLE_ONEDNN_OPTS: '0',
} as const

/** The native library where it is installed, else the slower one in pure JavaScript. For processes of their own. */
export async function loadTensorflow(): Promise<LoadedTensorflow> {
  const native = loadNative()
  if (native !== undefined) return { tf: native, backend: 'tfjs-node' }
  const require = createRequire(import.meta.url)
  const warn = console.warn
  // On loading it prints an advertisement for the package that was just found missing.
  console.warn = () => undefined
  const tf = require('@tensorflow/tfjs') as Tf
  await tf.setBackend('cpu')
  console.warn = warn
  return { tf, backend: 'tfjs' }
}

/** Version of the native library; throws `config` where it cannot be loaded. */
export function nativeTensorflowVersion(): Promise<string> {
  const native = loadNative()
  if (native !== undefined) return Promise.resolve(`native, tfjs-node ${native.version['tfjs-core']}`)
  return Promise.reject(
    new FirnError(
      'config',
      'the native TensorFlow addon does not load; training runs on the slower JavaScript backend. Run `npm run setup` and read what it says about it.',
    ),
  )
}

function loadNative(): Tf | undefined {
  // The package calls a function that Node 23 removed.
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value === null || value === undefined })
  // Its notices about the CPU would be taken for errors.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  try {
    return createRequire(import.meta.url)('@tensorflow/tfjs-node') as Tf
  } catch {
    return undefined
  }
}
