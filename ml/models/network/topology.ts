import { derivedSeed } from '../../evaluation/derived-seed.js'
import { seededRandom } from '../../training/seeded-random.js'

/** A network as plain data: convolutions first, then dense layers, the last one of which is the output. */
export type Layer = ConvolutionLayer | DenseLayer

/** Unpadded, stride 1, then relu and 2 × 2 max pooling. */
export interface ConvolutionLayer {
  readonly kind: 'convolution'
  readonly name: string
  /** [height, width, channels] of what comes in. */
  readonly input: readonly [number, number, number]
  readonly size: number
  readonly filters: number
}

/** Followed by relu, but for the output. */
export interface DenseLayer {
  readonly kind: 'dense'
  readonly name: string
  readonly inputs: number
  readonly units: number
}

/** One array of numbers of a network and where it lies among all of them. */
export interface ParameterSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly start: number
  readonly end: number
}

/** Dense layers from `inputs` numbers to `outputs`. */
export function denseLayers(
  inputs: number,
  hidden: readonly number[],
  outputs: number,
): readonly DenseLayer[] {
  return [...hidden, outputs].map((units, index) => ({
    kind: 'dense',
    name: index === hidden.length ? 'output' : `hidden_${index + 1}`,
    inputs: index === 0 ? inputs : (hidden[index - 1] ?? 0),
    units,
  }))
}

export function convolutionsOf(layers: readonly Layer[]): readonly ConvolutionLayer[] {
  return layers.filter((layer) => layer.kind === 'convolution')
}

export function denseOf(layers: readonly Layer[]): readonly DenseLayer[] {
  return layers.filter((layer) => layer.kind === 'dense')
}

/** [height, width, channels] of what comes out of a convolution and its pooling. */
export function pooledShape({ input, size, filters }: ConvolutionLayer): readonly [number, number, number] {
  const pooled = (length: number): number => Math.floor((length - size + 1) / 2)
  return [pooled(input[0]), pooled(input[1]), filters]
}

/** Numbers that a row has. */
export function inputWidth(layers: readonly Layer[]): number {
  const first = layers[0]
  if (first === undefined) return 0
  return first.kind === 'dense' ? first.inputs : first.input[0] * first.input[1] * first.input[2]
}

/** Kernel and bias of each layer, in the order in which they lie in one array. */
export function parameterSpecs(layers: readonly Layer[]): readonly ParameterSpec[] {
  let end = 0
  return layers.flatMap((layer) =>
    [kernelShape(layer), [outputsOf(layer)]].map((shape, at) => {
      const start = end
      end += shape.reduce((product, length) => product * length, 1)
      return { name: `${layer.name}/${at === 0 ? 'kernel' : 'bias'}`, shape, start, end }
    }),
  )
}

/** Glorot's uniform kernels, biases 0. Drawn by us: a library's seeds have their own rules, and 0 may mean none. */
export function initialParameters(layers: readonly Layer[], seed: number): Float32Array {
  const specs = parameterSpecs(layers)
  const parameters = new Float32Array(specs.at(-1)?.end ?? 0)
  for (const { name, shape, start, end } of specs) {
    if (shape.length === 1) continue
    const [fanIn, fanOut] = fans(shape)
    const limit = Math.sqrt(6 / (fanIn + fanOut))
    const random = seededRandom(derivedSeed(seed, 'weights', name))
    for (let at = start; at < end; at += 1) parameters[at] = (2 * random() - 1) * limit
  }
  return parameters
}

function kernelShape(layer: Layer): readonly number[] {
  if (layer.kind === 'dense') return [layer.inputs, layer.units]
  return [layer.size, layer.size, layer.input[2], layer.filters]
}

function outputsOf(layer: Layer): number {
  return layer.kind === 'dense' ? layer.units : layer.filters
}

function fans(shape: readonly number[]): readonly [number, number] {
  const [inputs = 1, outputs = 1] = shape.slice(-2)
  const field = shape.slice(0, -2).reduce((product, length) => product * length, 1)
  return [field * inputs, field * outputs]
}
