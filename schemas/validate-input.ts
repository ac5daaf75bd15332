import { isBatchId } from './batch.js'
import { ON_CHANGE } from './definition-change.js'
import { FirnError } from './error.js'
import { MAINTENANCE_STEPS } from './maintenance.js'
import type { BuildFeaturesInput, LandSourceInput, MaintainLakeInput, NightlyInput } from './messages.js'
import type {
  PromoteRequest,
  ReproduceInput,
  ScoreBatchInput,
  SearchModelInput,
  TrainerInput,
  TrainModelInput,
  TrainRequest,
} from './model-messages.js'
import type { ResumeStream, StreamSourceInput } from './stream-messages.js'

/**
 * Checks of what people type as a workflow's input, written by hand: the workflow sandbox stays free of schema
 * libraries. Each throws `invalid-input` with the field, the value and what to do.
 */
export const readLandSourceInput = (input: unknown): LandSourceInput =>
  read<LandSourceInput>('landSource', input, {
    pipeline: name,
    source: optional(name),
    from: optional(folder),
    batch: optional(batch),
    accept: optional(answers),
    state: optional(anything),
  })

export const readStreamSourceInput = (input: unknown): StreamSourceInput =>
  read<StreamSourceInput>('streamSource', input, {
    pipeline: name,
    source: optional(name),
    maxRecords: optional(between(1, 10_000_000)),
    maxBytes: optional(between(1024, 1_073_741_824)),
    maxAgeMs: optional(between(100, 3_600_000)),
    windowEveryMs: optional(between(30_000, 86_400_000)),
    idleMs: optional(between(1000, 86_400_000)),
    accept: optional(answers),
    state: optional(anything),
  })

export const readResumeStream = (input: unknown): ResumeStream =>
  read<ResumeStream>('the signal resume', input ?? {}, { accept: optional(answers) })

export const readBuildFeaturesInput = (input: unknown): BuildFeaturesInput =>
  read<BuildFeaturesInput>('buildFeatures', input, {
    pipeline: name,
    batch: optional(batch),
    skip: optional(batch),
    onChange: optional(onChange),
  })

export const readTrainModelInput = (input: unknown): TrainModelInput =>
  read<TrainModelInput>('trainModel', input, {
    pipeline: name,
    model: name,
    at: optional(tag),
    seed: optional(seed),
    estimator: optional(name),
    service: optional(name),
    parameters: optional(parameters),
    register: optional(flag),
    parentRunId: optional(runId),
  })

export const readSearchModelInput = (input: unknown): SearchModelInput =>
  read<SearchModelInput>('searchModel', input, {
    pipeline: name,
    model: name,
    at: optional(tag),
    seed: optional(seed),
    service: optional(name),
  })

export const readTrainRequest = (input: unknown): TrainRequest =>
  read<TrainRequest>('the signal train', input ?? {}, {
    at: optional(tag),
    seed: optional(seed),
    estimator: optional(name),
    service: optional(name),
    search: optional(flag),
  })

export const readPromoteRequest = (input: unknown): PromoteRequest =>
  read<PromoteRequest>('the update promote', input, {
    version,
    alias: optional(name),
    by: optional(words),
    reason: optional(words),
    force: optional(flag),
  })

export const readReproduceInput = (input: unknown): ReproduceInput =>
  read<ReproduceInput>('reproduceModel', input, { uri: modelUri, seed: optional(seed) })

export const readTrainerInput = (input: unknown): TrainerInput =>
  read<TrainerInput>('trainer', input, { pipeline: name, model: name, state: optional(anything) })

export const readScoreBatchInput = (input: unknown): ScoreBatchInput =>
  read<ScoreBatchInput>('scoreBatch', input, {
    pipeline: name,
    model: name,
    version: optional(version),
    alias: optional(name),
    at: optional(tag),
    batch: optional(batch),
  })

export const readMaintainLakeInput = (input: unknown): MaintainLakeInput =>
  read<MaintainLakeInput>('maintainLake', input ?? {}, {
    pipeline: optional(name),
    tables: optional(tables),
    dryRun: optional(flag),
    due: optional(flag),
    only: optional(steps),
  })

export function readNightlyInput(input: unknown): NightlyInput {
  const read_ = read<NightlyInput>('nightly', input, {
    pipeline: name,
    from: optional(folder),
    date: optional(date),
    batch: optional(batch),
    onChange: optional(onChange),
    models: optional(names),
    maintain: optional(flag),
  })
  if (read_.date !== undefined && read_.batch !== undefined) {
    throw invalid('nightly', 'give either `date` or `batch`, not both')
  }
  return read_
}

/** Returns what is wrong with a value, in words that follow the field's name; undefined when it is right. */
export type Check = (value: unknown) => string | undefined

function read<T>(workflow: string, input: unknown, fields: Readonly<Record<keyof T & string, Check>>): T {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalid(workflow, `takes exactly one object, such as ${example(fields)}, but got ${show(input)}`)
  }
  const checks = new Map<string, Check>(Object.entries(fields))
  for (const key of Object.keys(input)) {
    if (!checks.has(key)) {
      throw invalid(workflow, `there is no field \`${key}\`; known are ${[...checks.keys()].join(', ')}`)
    }
  }
  for (const [key, check] of checks) {
    const value = (input as Readonly<Record<string, unknown>>)[key]
    const wrong = check(value)
    if (wrong !== undefined) throw invalid(workflow, `\`${key}\` ${wrong}, but got ${show(value)}`)
  }
  return input as T
}

function invalid(workflow: string, message: string): FirnError {
  return new FirnError('invalid-input', `${workflow}: ${message}. Correct the input and start it again.`)
}

function optional(check: Check): Check {
  // JSON written by other languages says null for what is left out; it is refused, since cores know undefined only.
  return (value) => (value === undefined ? undefined : check(value))
}

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/
const TAG = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

const name: Check = (value) =>
  typeof value === 'string' && NAME.test(value)
    ? undefined
    : 'must be a name of letters, digits, _ and - that begins with a letter'
const names: Check = (value) =>
  Array.isArray(value) && value.every((item) => name(item) === undefined)
    ? undefined
    : 'must be a list of names'
const ANSWER = /^(lost-offsets|all-bad|incarnation:[0-9a-f]{12})$/
const answers: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string' && ANSWER.test(item))
    ? undefined
    : 'must be a list of `lost-offsets`, `all-bad` or `incarnation:<12 hex digits>`'
const tables: Check = (value) =>
  Array.isArray(value) &&
  value.every((item) => typeof item === 'string' && item.split('.').every((part) => name(part) === undefined))
    ? undefined
    : 'must be a list of tables such as raw.events'
const steps: Check = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((item) => MAINTENANCE_STEPS.some((one) => one === item))
    ? undefined
    : `must be a list of steps of maintenance, of ${MAINTENANCE_STEPS.join(', ')}`
const tag: Check = (value) =>
  typeof value === 'string' && TAG.test(value)
    ? undefined
    : 'must be the name of a tag, such as v_20261121T020000Z'
const batch: Check = (value) =>
  typeof value === 'string' && isBatchId(value)
    ? undefined
    : 'must be a batch id, the instant in UTC such as 20261121T020000Z'
const onChange: Check = (value) =>
  ON_CHANGE.some((answer) => answer === value)
    ? undefined
    : 'must be `forward` (rows that are published stay) or `rebuild` (they are computed again)'
const date: Check = (value) => {
  const right =
    typeof value === 'string' &&
    /^\d{4}-\d{2}-\d{2}$/.test(value) &&
    isBatchId(`${value.replaceAll('-', '')}T000000Z`)
  return right ? undefined : 'must be a calendar date such as 2026-07-01'
}
const folder: Check = (value) =>
  typeof value === 'string' && value !== '' && !value.includes('\0')
    ? undefined
    : 'must be a folder that the worker can read, or s3://bucket/prefix'
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false')
const seed: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32
    ? undefined
    : 'must be a whole number from 0 to 4294967295'
const between =
  (min: number, max: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `must be a whole number from ${min} to ${max}`
const version: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 1 ? undefined : 'must be a model version, 1 or more'
const parameters: Check = (value) =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(value).every(
    ([key, item]) => NAME.test(key) && (typeof item === 'string' || Number.isFinite(item)),
  )
    ? undefined
    : 'must be an object of parameters, numbers or texts, such as {"maxDepth": 3}'
const runId: Check = (value) =>
  typeof value === 'string' && /^[0-9a-f]{32}$/.test(value) ? undefined : 'must be a run id of 32 hex digits'
const words: Check = (value) =>
  typeof value === 'string' && value.length <= 1000 ? undefined : 'must be a text of at most 1000 characters'
const modelUri: Check = (value) =>
  typeof value === 'string' && /^models:\/[^/@:]+[/@][^/@:]+$/.test(value)
    ? undefined
    : 'must be models:/<name>/<version> or models:/<name>@<alias>'
const anything: Check = () => undefined

function example(fields: Readonly<Record<string, Check>>): string {
  return 'pipeline' in fields ? '{"pipeline": "quantum"}' : '{}'
}

function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

/** For the readers of messages that have files of their own. */
export { read as readFields, invalid as invalidInput }
export const checks = { name, batch, date, folder, flag, optional, between, anything } as const
