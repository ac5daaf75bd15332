import { createHash } from 'node:crypto'
import type { Checkpoints } from '../models/estimator.js'
import { canonicalJson } from '../../schemas/canonical-json.js'

/**
 * The fits of one training (folds, then the model itself) over one place for checkpoints. A phase that is done is kept
 * as its numbers, the one under way as its estimator's state, so that a killed training goes on where it was.
 */
export interface Phases {
  /** What `work` gave for this phase, from the checkpoint where it was done before. */
  readonly once: (
    phase: string,
    work: (checkpoints: Checkpoints | undefined) => Promise<Float64Array>,
  ) => Promise<Float64Array>
  /** The checkpoints of one phase alone. */
  readonly of: (phase: string) => Checkpoints | undefined
}

interface Header {
  /** Of the training it belongs to. */
  readonly training: string
  readonly entries: readonly { readonly key: string; readonly bytes: number }[]
}

/** `training`: what decides the outcome; a checkpoint of another training is not looked at. */
export function openPhases(checkpoints: Checkpoints | undefined, training: () => unknown): Phases {
  if (checkpoints === undefined) return { once: (_phase, work) => work(undefined), of: () => undefined }
  const digest = createHash('sha256').update(canonicalJson(training())).digest('hex')
  let loaded: Promise<Map<string, Uint8Array>> | undefined
  const entries = (): Promise<Map<string, Uint8Array>> =>
    (loaded ??= checkpoints.load().then((bytes) => decode(bytes, digest)))
  const save = async (): Promise<void> => checkpoints.save(encode(await entries(), digest))
  const of = (phase: string): Checkpoints => ({
    load: async () => (await entries()).get(`state of ${phase}`),
    save: async (state) => {
      // A copy: the estimator may go on writing into its own.
      ;(await entries()).set(`state of ${phase}`, Uint8Array.from(state))
      await save()
    },
  })
  return {
    of,
    once: async (phase, work) => {
      const done = (await entries()).get(`result of ${phase}`)
      if (done !== undefined) return new Float64Array(Uint8Array.from(done).buffer)
      const result = await work(of(phase))
      const all = await entries()
      all.delete(`state of ${phase}`)
      all.set(`result of ${phase}`, new Uint8Array(result.slice().buffer))
      await save()
      return result
    },
  }
}

/** Length of the header (4 bytes, little endian), the header as JSON, the entries one after another. */
function encode(entries: ReadonlyMap<string, Uint8Array>, training: string): Uint8Array {
  const header: Header = {
    training,
    entries: [...entries].map(([key, { length }]) => ({ key, bytes: length })),
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  return Buffer.concat([length, text, ...entries.values()])
}

function decode(bytes: Uint8Array | undefined, training: string): Map<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>()
  if (bytes === undefined) return entries
  const buffer = Buffer.from(bytes)
  const start = 4 + buffer.readUInt32LE(0)
  const header = JSON.parse(buffer.toString('utf8', 4, start)) as Header
  if (header.training !== training) return entries
  let at = start
  for (const { key, bytes: length } of header.entries) {
    entries.set(key, bytes.slice(at, at + length))
    at += length
  }
  return entries
}
