/** What the workflow bundle holds: the names under which Temporal starts them. */
export { buildFeatures } from './build-features.js'
export { landSource } from './land-source.js'
export { maintainLake } from './maintain-lake.js'
export { nightly } from './nightly.js'
export { scoreBatch } from './score-batch.js'
export { streamSource } from './stream-source.js'
export { trainModel } from './train-model.js'
export { trainer } from './trainer.js'
