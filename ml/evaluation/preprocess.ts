import { createHash } from 'node:crypto'
import { FirnError } from '../../schemas/error.js'
import type { EstimatorDefinition, ModelTask, PreprocessingStep } from '../../schemas/model-definitions.js'
import type { TrainingTable } from '../datasets/training-table.js'
import type { Inputs } from '../models/estimator.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import { frameOf, type Fitting, type Frame, type FrameColumn } from './steps/frame.js'
import { applyImpute, fitImpute, type ImputeParameters } from './steps/impute.js'
import { applyMinMaxScale, fitMinMaxScale, type MinMaxScaleParameters } from './steps/min-max-scale.js'
import {
  applyMissingIndicator,
  fitMissingIndicator,
  type MissingIndicatorParameters,
} from './steps/missing-indicator.js'
import { applyOneHot, fitOneHot, type OneHotParameters } from './steps/one-hot.js'
import { applyStandardScale, fitStandardScale, type StandardScaleParameters } from './steps/standard-scale.js'
import {
  applyOutOfFold,
  applyTargetEncode,
  fitTargetEncode,
  type TargetEncodeParameters,
} from './steps/target-encode.js'
import { takeNumbers } from './take-numbers.js'

/** How rows become a model's numbers: fitted on training rows only, plain JSON, stored in the model. */
export interface FittedPreprocessing {
  readonly kind: EstimatorDefinition['kind']
  /** Columns it reads, in the order the model sees them. */
  readonly inputs: readonly InputColumn[]
  /** Carried out in this order. */
  readonly steps: readonly FittedStep[]
}

export interface InputColumn {
  readonly name: string
  readonly kind: 'number' | 'category' | 'tensor'
  /** Of a tensor. */
  readonly size?: number
}

export type FittedStep =
  | Fitted<'impute', ImputeParameters>
  | Fitted<'missing-indicator', MissingIndicatorParameters>
  | Fitted<'standard-scale', StandardScaleParameters>
  | Fitted<'min-max-scale', MinMaxScaleParameters>
  | Fitted<'one-hot', OneHotParameters>
  | Fitted<'target-encode', TargetEncodeParameters>

interface Fitted<Step extends PreprocessingStep['step'], Parameters> {
  readonly step: Step
  /** Rises when the same parameters would give other numbers. */
  readonly version: 1
  readonly parameters: Parameters
  /** SHA-256 of the parameters' canonical JSON. */
  readonly digest: string
}

export interface PreprocessingOptions {
  readonly definition: EstimatorDefinition
  readonly task: ModelTask
  readonly seed: number
}

/**
 * Fits the estimator's steps on these rows alone, each on what the ones before made of them. The table's columns are
 * all inputs: leave out beforehand what no model may see. `labels` are what the model is to learn.
 */
export function fitPreprocessing(
  table: TrainingTable,
  rows: Int32Array,
  { definition, task, seed }: PreprocessingOptions,
): FittedPreprocessing {
  const { kind } = definition
  checkTensors(kind, table)
  const labels = takeNumbers(table.labels, rows)
  const classes = task === 'multiclass-classification' ? (table.classes ?? []) : []
  const steps = definition.preprocessing ?? defaultSteps(kind)
  checkOrder(steps)
  const fitted: FittedStep[] = []
  let frame = frameOf(table, rows)
  for (const step of steps) {
    const next = fitStep(step, { frame, labels, classes, seed })
    frame = trainingStep(next, frame, labels)
    fitted.push(next)
  }
  checkFrame(kind, frame)
  return { kind, inputs: inputColumns(table), steps: fitted }
}

/** Rows to predict. Columns are found by name, whatever their order. */
export function applyPreprocessing(
  fitted: FittedPreprocessing,
  table: Pick<TrainingTable, 'columns'>,
  rows: Int32Array,
): Inputs {
  const frame = fitted.steps.reduce(
    (before, step) => applyStep(step, before),
    modelFrame(fitted, table, rows),
  )
  return toInputs(fitted.kind, frame)
}

/** The rows that it was fitted on, as the model is to see them while it learns: target encoding is out of fold. */
export function applyToTraining(fitted: FittedPreprocessing, table: TrainingTable, rows: Int32Array): Inputs {
  const labels = takeNumbers(table.labels, rows)
  const frame = fitted.steps.reduce(
    (before, step) => trainingStep(step, before, labels),
    modelFrame(fitted, table, rows),
  )
  return toInputs(fitted.kind, frame)
}

/** Names and kinds of a table's columns. */
export function inputColumns(table: Pick<TrainingTable, 'columns'>): readonly InputColumn[] {
  return table.columns.map((column) => ({
    name: column.name,
    kind: column.kind,
    ...(column.kind === 'tensor' && { size: column.size }),
  }))
}

/** What a kind needs where its definition names no steps. */
export function defaultSteps(kind: EstimatorDefinition['kind']): readonly PreprocessingStep[] {
  if (kind === 'cnn') return []
  if (isTree(kind)) return [{ step: 'one-hot' }]
  return [{ step: 'impute', with: 'median' }, { step: 'standard-scale' }, { step: 'one-hot' }]
}

function isTree(kind: EstimatorDefinition['kind']): boolean {
  return kind === 'gbdt' || kind === 'random-forest'
}

function fitStep(step: PreprocessingStep, fitting: Fitting): FittedStep {
  switch (step.step) {
    case 'impute':
      return { step: step.step, ...stored(fitImpute(step, fitting)) }
    case 'missing-indicator':
      return { step: step.step, ...stored(fitMissingIndicator(step, fitting)) }
    case 'standard-scale':
      return { step: step.step, ...stored(fitStandardScale(step, fitting)) }
    case 'min-max-scale':
      return { step: step.step, ...stored(fitMinMaxScale(step, fitting)) }
    case 'one-hot':
      return { step: step.step, ...stored(fitOneHot(step, fitting)) }
    case 'target-encode':
      return { step: step.step, ...stored(fitTargetEncode(step, fitting)) }
  }
}

function applyStep(fitted: FittedStep, frame: Frame): Frame {
  switch (fitted.step) {
    case 'impute':
      return applyImpute(fitted.parameters, frame)
    case 'missing-indicator':
      return applyMissingIndicator(fitted.parameters, frame)
    case 'standard-scale':
      return applyStandardScale(fitted.parameters, frame)
    case 'min-max-scale':
      return applyMinMaxScale(fitted.parameters, frame)
    case 'one-hot':
      return applyOneHot(fitted.parameters, frame)
    case 'target-encode':
      return applyTargetEncode(fitted.parameters, frame)
  }
}

function trainingStep(fitted: FittedStep, frame: Frame, labels: Float64Array): Frame {
  return fitted.step === 'target-encode'
    ? applyOutOfFold(fitted.parameters, frame, labels)
    : applyStep(fitted, frame)
}

function stored<Parameters>(parameters: Parameters): Omit<Fitted<never, Parameters>, 'step'> {
  const digest = createHash('sha256').update(canonicalJson(parameters)).digest('hex')
  return { version: 1, parameters, digest }
}

function modelFrame(
  fitted: FittedPreprocessing,
  table: Pick<TrainingTable, 'columns'>,
  rows: Int32Array,
): Frame {
  const columns = fitted.inputs.map(({ name, kind }) => {
    const column = table.columns.find((candidate) => candidate.name === name)
    if (column?.kind === kind) return column
    throw new FirnError(
      'contract-broken',
      `the model needs the ${kind} column ${name}, but ${column === undefined ? 'there is none' : `it is of kind ${column.kind}`}`,
    )
  })
  return frameOf({ columns }, rows)
}

function toInputs(kind: EstimatorDefinition['kind'], frame: Frame): Inputs {
  const names = frame.columns.flatMap((column) =>
    column.kind === 'tensor'
      ? Array.from({ length: column.size }, (_, i) => `${column.name}[${i}]`)
      : [column.name],
  )
  const x = new Float64Array(frame.rows * names.length)
  let offset = 0
  for (const column of frame.columns) {
    offset += copyColumn(column, { x, offset, width: names.length, mayMiss: isTree(kind) })
  }
  return { rows: frame.rows, columns: names, x }
}

/** Returns how many inputs the column is. */
function copyColumn(
  column: FrameColumn,
  to: {
    readonly x: Float64Array
    readonly offset: number
    readonly width: number
    readonly mayMiss: boolean
  },
): number {
  if (column.kind === 'category') throw stillCategory(column.name)
  const size = column.kind === 'tensor' ? column.size : 1
  column.values.forEach((value, at) => {
    if (Number.isNaN(value) && !to.mayMiss) throw stillMissing(column.name)
    to.x[Math.floor(at / size) * to.width + to.offset + (at % size)] = value
  })
  return size
}

function checkTensors(kind: EstimatorDefinition['kind'], { columns }: TrainingTable): void {
  const tensors = columns.filter((column) => column.kind === 'tensor').map(({ name }) => name)
  if (kind !== 'cnn' && tensors.length > 0) {
    throw new FirnError(
      'invalid-input',
      `a model of kind ${kind} takes numbers and categories, but ${tensors.join(', ')} is a list of numbers. Use the kind cnn, or a feature service without it.`,
    )
  }
  if (kind !== 'cnn' || (tensors.length === 1 && columns.length === 1)) return
  const names = columns.map(({ name, kind: of }) => `${name} (${of})`).join(', ') || 'none'
  throw new FirnError(
    'invalid-input',
    `a model of kind cnn takes one feature that is a list of numbers, alone, but the features are: ${names}. Use a feature service with that one, or list the others under baselineOnly.`,
  )
}

function checkOrder(steps: readonly PreprocessingStep[]): void {
  const imputed = steps.findIndex(({ step }) => step === 'impute')
  const indicated = steps.findLastIndex(({ step }) => step === 'missing-indicator')
  if (imputed === -1 || indicated < imputed) return
  throw new FirnError(
    'invalid-input',
    'missing-indicator comes after impute, when nothing is missing any more. Put it before.',
  )
}

function checkFrame(kind: EstimatorDefinition['kind'], frame: Frame): void {
  if (frame.columns.length === 0) {
    throw new FirnError(
      'training-failed',
      'no column is left for the model to learn from: all are empty, the offset, or only for baselines. Add features to the service.',
    )
  }
  const names = frame.columns.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) {
    throw new FirnError(
      'invalid-input',
      `two columns would both be named ${twice} after preprocessing. Rename one, or let a step name its columns.`,
    )
  }
  for (const column of frame.columns) {
    if (column.kind === 'category') throw stillCategory(column.name)
    if (!isTree(kind) && column.values.includes(NaN)) throw stillMissing(column.name)
  }
}

function stillCategory(name: string): FirnError {
  return new FirnError(
    'invalid-input',
    `column ${name} still holds categories after preprocessing, and models take numbers. Add the step one-hot or target-encode for it.`,
  )
}

function stillMissing(name: string): FirnError {
  return new FirnError(
    'invalid-input',
    `column ${name} has missing values after preprocessing, which only gbdt and random-forest take. Add the step impute before the others.`,
  )
}
