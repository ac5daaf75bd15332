import { FirnError } from '../../../schemas/error.js'
import type { CnnDefinition } from '../../../schemas/model-definitions.js'
import type { Estimator } from '../estimator.js'
import { checkParameters } from '../check-training.js'
import { fitNetwork, networkBackend, restoreNetwork } from '../network/fitted-network.js'
import { denseLayers, pooledShape, type ConvolutionLayer, type Layer } from '../network/topology.js'

/** Convolutional network on TensorFlow.js, over rows of h · w · c numbers. */
export const cnn: Estimator<CnnDefinition> = {
  fit: (options) => fitNetwork(options, (outputs) => cnnLayers(options.definition, outputs)),
  restore: restoreNetwork,
  backend: networkBackend,
}

function cnnLayers({ shape, convolutions, hidden }: CnnDefinition, outputs: number): readonly Layer[] {
  const layers: ConvolutionLayer[] = []
  let input = shape
  convolutions.forEach(({ filters, size }, index) => {
    const whole = { least: 1, whole: true }
    checkParameters({ kind: 'cnn', filters, size }, { filters: whole, size: whole })
    const layer = { kind: 'convolution', name: `convolution_${index + 1}`, input, size, filters } as const
    const output = pooledShape(layer)
    if (output[0] < 1 || output[1] < 1) {
      throw new FirnError(
        'invalid-input',
        `cnn: convolution ${index + 1} of size ${size} with its pooling needs pictures of at least ${size + 1} × ${size + 1}, but ${input[0]} × ${input[1]} come in. Leave it out, or take larger pictures.`,
      )
    }
    layers.push(layer)
    input = output
  })
  return [...layers, ...denseLayers(input[0] * input[1] * input[2], hidden, outputs)]
}
