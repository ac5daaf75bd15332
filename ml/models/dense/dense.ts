import type { DenseDefinition } from '../../../schemas/model-definitions.js'
import type { Estimator } from '../estimator.js'
import { fitNetwork, networkBackend, restoreNetwork } from '../network/fitted-network.js'
import { denseLayers } from '../network/topology.js'

/** Fully connected network on TensorFlow.js. */
export const dense: Estimator<DenseDefinition> = {
  fit: (options) =>
    fitNetwork(options, (outputs) =>
      denseLayers(options.train.columns.length, options.definition.hidden, outputs),
    ),
  restore: restoreNetwork,
  backend: networkBackend,
}
