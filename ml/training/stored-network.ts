import { createHash } from 'node:crypto'
import type { io } from '@tensorflow/tfjs'
import { FirnError } from '../../schemas/error.js'
import type { FittedNetwork } from './network.js'
import type { Preprocessing } from './preprocess.js'
import type { Tf } from './tensorflow.js'

/** A fitted network as plain JSON. */
export interface StoredNetwork {
  readonly preprocessing: Preprocessing
  /** Keras topology, as TensorFlow.js writes it. */
  readonly topology: object
  readonly weightSpecs: readonly io.WeightsManifestEntry[]
  /** Base64 of the weights, 32-bit little-endian floats in the order of `weightSpecs`. */
  readonly weights: string
  /** SHA-256 of the weights with their names and shapes. */
  readonly weightsDigest: string
}

export async function storeNetwork(tf: Tf, { preprocessing, layers }: FittedNetwork): Promise<StoredNetwork> {
  let saved: io.ModelArtifacts = {}
  await layers.save(
    tf.io.withSaveHandler((artifacts) => {
      saved = artifacts
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } })
    }),
  )
  const { modelTopology, weightSpecs = [], weightData = new ArrayBuffer(0) } = saved
  const bytes = Buffer.concat([weightData].flat().map((part) => Buffer.from(part)))
  return {
    preprocessing,
    topology: modelTopology ?? {},
    weightSpecs,
    weights: bytes.toString('base64'),
    weightsDigest: digestOf(weightSpecs, bytes),
  }
}

/** The network again, its weights checked against their digest. */
export async function restoreNetwork(tf: Tf, stored: StoredNetwork): Promise<FittedNetwork> {
  const bytes = Buffer.from(stored.weights, 'base64')
  const found = digestOf(stored.weightSpecs, bytes)
  if (found !== stored.weightsDigest) {
    throw new FirnError(
      'contract-broken',
      `the stored weights have digest ${found}, but ${stored.weightsDigest} was recorded: the artifact was changed. Train again.`,
    )
  }
  const layers = await tf.loadLayersModel(
    tf.io.fromMemory({
      modelTopology: stored.topology,
      weightSpecs: [...stored.weightSpecs],
      weightData: Uint8Array.from(bytes).buffer,
    }),
  )
  return { preprocessing: stored.preprocessing, layers }
}

function digestOf(specs: readonly io.WeightsManifestEntry[], bytes: Uint8Array): string {
  const shapes = specs.map(({ name, shape, dtype }) => [name, shape, dtype])
  return createHash('sha256').update(JSON.stringify(shapes)).update(bytes).digest('hex')
}
