import { createRequire } from 'node:module'
import util from 'node:util'
import type * as Tensorflow from '@tensorflow/tfjs'
import { FirnError } from '../../schemas/error.js'

export type Tf = typeof Tensorflow

export interface LoadedTensorflow {
  readonly tf: Tf
  readonly backend: 'tfjs-node' | 'tfjs'
  /** Package, and the native library below it → version. */
  readonly libraries: Readonly<Record<string, string>>
  /** Where the slower backend had to be taken: that, and why, for people. */
  readonly notice?: string
}

/**
 * What a training is bit for bit reproducible under: weights differ between thread counts and with oneDNN's kernels.
 * Read by the native library when it is loaded, so they are set on the process that loads it.
 */
export function threadSettings(threads = 2) {
  return {
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_NUM_INTEROP_THREADS: '1',
    TF_ENABLE_ONEDNN_OPTS: '0',
  } as const
}

export const THREAD_SETTINGS = threadSettings()

/**
 * The native library where it is installed, else the slower one in pure JavaScript. `FIRN_TF_BACKEND` asks for one of them
 * (`tfjs-node`, `tfjs`). For processes of their own.
 */
export async function loadTensorflow(): Promise<LoadedTensorflow> {
  const asked = process.env['FIRN_TF_BACKEND'] ?? ''
  if (!['', 'tfjs', 'tfjs-node'].includes(asked)) {
    throw new FirnError(
      'config',
      `FIRN_TF_BACKEND is ${JSON.stringify(asked)}; take \`tfjs-node\` (native) or \`tfjs\` (pure JavaScript), or leave it unset.`,
    )
  }
  if (asked === 'tfjs') return loadJavaScript()
  const native = loadNative()
  if (native.kind === 'loaded') {
    const { tf } = native
    const { binding } = tf.backend() as unknown as { binding?: { TF_Version?: string } }
    const libraries = {
      '@tensorflow/tfjs-node': tf.version['tfjs-core'],
      ...(binding?.TF_Version !== undefined && { libtensorflow: binding.TF_Version }),
    }
    return { tf, backend: 'tfjs-node', libraries }
  }
  if (asked === 'tfjs-node') throw notNative(native.reason)
  const notice = `the native TensorFlow addon does not load, so training runs on the much slower JavaScript backend, whose weights differ in their last bits: ${native.reason}. \`npm run setup\` says more.`
  return { ...(await loadJavaScript()), notice }
}

/** Version of the native library; throws `config` where it cannot be loaded. */
export function nativeTensorflowVersion(): Promise<string> {
  const native = loadNative()
  if (native.kind === 'loaded') return Promise.resolve(`native, tfjs-node ${native.tf.version['tfjs-core']}`)
  return Promise.reject(notNative(native.reason))
}

async function loadJavaScript(): Promise<LoadedTensorflow> {
  const require = createRequire(import.meta.url)
  const warn = console.warn
  // With its first number it prints an advertisement for the native package.
  console.warn = () => undefined
  try {
    const tf = require('@tensorflow/tfjs') as Tf
    await tf.setBackend('cpu')
    tf.scalar(0).dispose()
    return { tf, backend: 'tfjs', libraries: { '@tensorflow/tfjs': tf.version['tfjs-core'] } }
  } finally {
    console.warn = warn
  }
}

type Native =
  { readonly kind: 'loaded'; readonly tf: Tf } | { readonly kind: 'absent'; readonly reason: string }

function loadNative(): Native {
  // The package calls a function that Node 23 removed.
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value === null || value === undefined })
  // Its notices about the CPU would be taken for errors.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  try {
    return { kind: 'loaded', tf: createRequire(import.meta.url)('@tensorflow/tfjs-node') as Tf }
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    return { kind: 'absent', reason }
  }
}

function notNative(reason: string): FirnError {
  return new FirnError(
    'config',
    `the native TensorFlow addon does not load (${reason}); training runs on the slower JavaScript backend. Run \`npm run setup\` and read what it says about it.`,
  )
}
