import { endianness } from 'node:os'
import type { LearningPoint } from '../../../schemas/model-messages.js'
import type { AdamState } from './adam.js'

/** All that a fit knows between two epochs. What is random follows from the seed and the epoch's number. */
export interface TrainingState {
  /** Epochs that are done. */
  epoch: number
  readonly parameters: Float32Array
  readonly adam: AdamState
  /** With early stopping: the epoch of the least loss on validation rows and its parameters. */
  best?: { readonly epoch: number; readonly loss: number; readonly parameters: Float32Array }
  readonly curve: LearningPoint[]
}

interface StateHeader {
  readonly epoch: number
  readonly decay: readonly [number, number]
  readonly best?: { readonly epoch: number; readonly loss: number }
  readonly curve: LearningPoint[]
}

/** Length of the header (32 bits), header as JSON, then parameters, moments and best parameters as they lie in memory. */
export function encodeState({ epoch, parameters, adam, best, curve }: TrainingState): Uint8Array {
  const header: StateHeader = {
    epoch,
    decay: adam.decay,
    ...(best !== undefined && { best: { epoch: best.epoch, loss: best.loss } }),
    curve,
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  const arrays = [parameters, adam.first, adam.second, ...(best === undefined ? [] : [best.parameters])]
  return Buffer.concat([length, text, ...arrays.map(floatBytes)])
}

export function decodeState(bytes: Uint8Array): TrainingState {
  const start = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  const header = JSON.parse(Buffer.from(bytes.subarray(4, start)).toString()) as StateHeader
  const count = (bytes.length - start) / (header.best === undefined ? 3 : 4)
  const array = (at: number): Float32Array =>
    floatsOf(bytes.subarray(start + at * count, start + (at + 1) * count))
  return {
    epoch: header.epoch,
    parameters: array(0),
    adam: { first: array(1), second: array(2), decay: header.decay },
    ...(header.best !== undefined && { best: { ...header.best, parameters: array(3) } }),
    curve: header.curve,
  }
}

/** 32-bit little-endian. */
export function floatBytes(floats: Float32Array): Uint8Array {
  const bytes = Buffer.from(floats.slice().buffer)
  return endianness() === 'LE' ? bytes : bytes.swap32()
}

export function floatsOf(bytes: Uint8Array): Float32Array {
  const own = Buffer.from(Uint8Array.from(bytes).buffer)
  if (endianness() === 'BE') own.swap32()
  return new Float32Array(own.buffer)
}
