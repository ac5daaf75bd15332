import { z } from 'zod'
import { name, positive, text } from './shape-parts.js'

const notNegative = z.number().nonnegative()
const share = z.number().positive().max(1, 'must be above 0 and at most 1')
const dropout = z.number().min(0).lt(1, 'must be below 1')
const earlyStopping = z.strictObject({ patience: positive, minDelta: notNegative.optional() })
const columns = { columns: z.array(name).min(1).optional() }

const preprocessing = z.array(
  z.discriminatedUnion('step', [
    z.strictObject({ step: z.literal('impute'), with: z.enum(['median', 'mean', 'zero']), ...columns }),
    z.strictObject({ step: z.literal('missing-indicator'), ...columns }),
    z.strictObject({
      step: z.literal('standard-scale'),
      clip: z.number().positive().optional(),
      ...columns,
    }),
    z.strictObject({ step: z.literal('min-max-scale'), ...columns }),
    z.strictObject({ step: z.literal('one-hot'), ...columns }),
    z.strictObject({
      step: z.literal('target-encode'),
      folds: z.number().int().min(2).max(100).optional(),
      smoothing: notNegative.optional(),
      ...columns,
    }),
  ]),
)

const preprocessed = { preprocessing: preprocessing.optional() }
const epochs = {
  epochs: positive,
  batchSize: positive,
  learningRate: z.number().positive(),
  earlyStopping: earlyStopping.optional(),
}

/** One kind of model and its parameters, each in its range. */
export const estimatorShape = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('dense'),
    hidden: z.array(positive),
    dropout: dropout.optional(),
    l2: notNegative.optional(),
    ...epochs,
    ...preprocessed,
  }),
  z.strictObject({
    kind: z.literal('cnn'),
    shape: z.tuple([positive, positive, positive]),
    convolutions: z.array(z.strictObject({ filters: positive, size: positive })).min(1),
    hidden: z.array(positive),
    dropout: dropout.optional(),
    ...epochs,
    ...preprocessed,
  }),
  z.strictObject({
    kind: z.literal('logistic'),
    l2: notNegative.optional(),
    maxIterations: positive.optional(),
    ...preprocessed,
  }),
  z.strictObject({ kind: z.literal('ridge'), l2: notNegative.optional(), ...preprocessed }),
  z.strictObject({
    kind: z.literal('gbdt'),
    trees: positive,
    maxDepth: positive.max(32),
    learningRate: z.number().positive().max(1),
    subsample: share.optional(),
    columnSample: share.optional(),
    l1: notNegative.optional(),
    l2: notNegative.optional(),
    minSplitGain: notNegative.optional(),
    minChildWeight: notNegative.optional(),
    bins: z.number().int().min(2).max(65_536).optional(),
    earlyStopping: earlyStopping.optional(),
    ...preprocessed,
  }),
  z.strictObject({
    kind: z.literal('random-forest'),
    trees: positive,
    maxDepth: positive.optional(),
    minSamplesLeaf: positive.optional(),
    columnSample: share.optional(),
    ...preprocessed,
  }),
  z.strictObject({
    kind: z.literal('external'),
    taskQueue: text,
    waitSeconds: positive.optional(),
    parameters: z.record(text, z.union([z.number(), z.string(), z.boolean()])).optional(),
    ...preprocessed,
  }),
])

/** A model by service, labels and estimators. */
export const modelShape = z.strictObject({
  task: z.enum(['binary-classification', 'multiclass-classification', 'regression']),
  service: name,
  labels: name,
  split: name.optional(),
  estimators: z
    .record(
      z
        .string()
        .regex(/^[a-z][a-z0-9_-]{0,63}$/, 'must be lower case: a letter, then letters, digits, - and _'),
      estimatorShape,
    )
    .refine((estimators) => Object.keys(estimators).length > 0, 'must name at least one kind of model'),
  validation: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('leave-one-group-out') }),
      z.strictObject({ kind: z.literal('k-fold'), folds: z.number().int().min(2).max(100) }),
    ])
    .optional(),
  classWeights: z.literal('balanced').optional(),
  calibration: z.enum(['platt', 'isotonic']).optional(),
  offset: name.optional(),
  baselineOnly: z.array(name).optional(),
  predictions: name,
  constants: z.record(name, z.union([z.number(), z.string()])).optional(),
  trainAfterBatches: positive.optional(),
  gate: z.strictObject({ metric: text }).optional(),
  search: z
    .strictObject({
      estimator: text,
      space: z
        .record(text, z.array(z.union([z.number(), z.string()])).min(1, 'must give a value to try'))
        .refine((space) => Object.keys(space).length > 0, 'must name a parameter to try values of'),
      trials: positive.optional(),
      metric: text.optional(),
    })
    .optional(),
})
