import type {
  DatasetInfo,
  Part,
  RebuiltDataset,
  RecordedVersion,
  ReproduceInput,
  ReproduceResult,
  RetrainedModel,
  TrainingEnvironment,
} from '../../schemas/model-messages.js'

export interface Reproduction {
  readonly given: ReproduceInput
  readonly recorded: RecordedVersion
  readonly rebuilt: RebuiltDataset
  readonly retrained: RetrainedModel
}

/** A verdict for data, weights and metrics of a version that was made again, each with what it may come from. */
export function compareReproduction({ given, recorded, rebuilt, retrained }: Reproduction): ReproduceResult {
  const data = compareData(recorded.dataset, rebuilt)
  const weights = compareWeights(given, recorded, retrained, data)
  const metrics = compareMetrics(recorded, retrained)
  return {
    verdict: verdictOf({ data, weights, metrics }),
    model: recorded.model,
    version: recorded.version,
    data: {
      ...data,
      digest: rebuilt.kind === 'built' ? rebuilt.dataset.digest : null,
      recorded: recorded.dataset.digest,
    },
    weights: {
      ...weights,
      digest: retrained.kind === 'trained' ? retrained.trained.weightsDigest : null,
      recorded: recorded.trained.weightsDigest,
    },
    metrics,
  }
}

function compareData(recorded: DatasetInfo, rebuilt: RebuiltDataset): Part {
  if (rebuilt.kind === 'unavailable') return { verdict: 'unavailable', reasons: [rebuilt.reason] }
  const { dataset } = rebuilt
  const changed = changedNames(recorded.fingerprints, dataset.fingerprints)
  const files = changedFiles(recorded, dataset)
  if (dataset.digest === recorded.digest && dataset.orderedDigest === recorded.orderedDigest) {
    return {
      verdict: files.length === 0 ? 'identical' : 'differs',
      reasons: [
        ...files.map((reason) => `${reason}, in what this model does not read`),
        ...changed.map((name) => `${name} is defined differently now, and gives the same rows`),
      ],
    }
  }
  const rows = dataset.rows - recorded.rows
  return {
    verdict: 'differs',
    reasons: [
      ...changed.map((name) => `${name} is defined differently now`),
      ...files,
      ...(rows === 0 ? [] : [`${countOf(rows)} ${rows < 0 ? 'missing' : 'more'}`]),
      ...(rows === 0 && dataset.rowsDigest !== recorded.rowsDigest
        ? ['other entities, times, labels or splits']
        : []),
      ...(changed.length === 0 && files.length === 0 && rows === 0
        ? ['the same definitions on the same files give other values: the engine computes otherwise']
        : []),
    ],
  }
}

/** Tables whose pinned files have other bytes than they had; those that were too large to be digested are not known. */
function changedFiles(recorded: DatasetInfo, now: DatasetInfo): readonly string[] {
  const [was, is] = [recorded.inputs ?? {}, now.inputs ?? {}]
  return changedNames(was, is)
    .filter((table) => was[table] !== undefined && is[table] !== undefined)
    .map((table) => `a data file of ${table} was changed`)
}

function countOf(rows: number): string {
  return `${Math.abs(rows)} ${Math.abs(rows) === 1 ? 'row' : 'rows'}`
}

function compareWeights(
  given: ReproduceInput,
  recorded: RecordedVersion,
  retrained: RetrainedModel,
  data: Part,
): Part {
  if (retrained.kind === 'unavailable') return { verdict: 'unavailable', reasons: [retrained.reason] }
  const { trained } = retrained
  const changed = changedEnvironment(recorded.trained.environment, trained.environment)
  if (trained.weightsDigest === recorded.trained.weightsDigest) return { verdict: 'identical', reasons: [] }
  const seed = given.seed ?? recorded.pin.seed
  const reasons = [
    ...(data.verdict === 'identical' ? [] : ['the data differs']),
    ...(seed === recorded.pin.seed ? [] : [`seed changed: ${seed}, was ${recorded.pin.seed}`]),
    ...changed,
  ]
  return {
    verdict: 'differs',
    reasons: reasons.length === 0 ? ['nothing that is recorded of the training has changed'] : reasons,
  }
}

function compareMetrics(recorded: RecordedVersion, retrained: RetrainedModel): ReproduceResult['metrics'] {
  if (retrained.kind === 'unavailable') {
    return { verdict: 'unavailable', reasons: [retrained.reason], differences: {} }
  }
  const [was, is] = [recorded.trained.metrics, retrained.trained.metrics]
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort()
  const differing = names.filter((name) => !Object.is(was[name], is[name]))
  const differences = Object.fromEntries(
    differing.map((name) => [name, [was[name] ?? NaN, is[name] ?? NaN] as const]),
  )
  return differing.length === 0
    ? { verdict: 'identical', reasons: [], differences }
    : { verdict: 'differs', reasons: [`${differing.length} of ${names.length} metrics differ`], differences }
}

function changedNames(
  was: Readonly<Record<string, string>>,
  is: Readonly<Record<string, string>>,
): readonly string[] {
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .sort()
    .filter((name) => was[name] !== is[name])
}

function changedEnvironment(was: TrainingEnvironment, is: TrainingEnvironment): readonly string[] {
  const one = (name: string, before: string | undefined, now: string | undefined): readonly string[] =>
    before === now ? [] : [`${name} changed: ${now ?? 'none'}, was ${before ?? 'none'}`]
  const all = (
    name: string,
    before: Readonly<Record<string, string>>,
    now: Readonly<Record<string, string>>,
  ): readonly string[] =>
    [...new Set([...Object.keys(before), ...Object.keys(now)])]
      .sort()
      .flatMap((key) => one(`${name} ${key}`, before[key], now[key]))
  return [
    ...one('backend', was.backend, is.backend),
    ...all('version of', was.libraries, is.libraries),
    ...all('setting', was.threads, is.threads),
    ...one('platform', was.platform, is.platform),
    ...one('CPU', was.cpu, is.cpu),
    ...one('code', was.codeVersion, is.codeVersion),
  ]
}

/** `identical`, else a clause a part: `data identical, weights differ: backend changed …`. */
function verdictOf(parts: Readonly<Record<'data' | 'weights' | 'metrics', Part>>): string {
  const names = ['data', 'weights', 'metrics'] as const
  if (names.every((name) => parts[name].verdict === 'identical')) return 'identical'
  return names
    .map((name) => {
      const { verdict, reasons } = parts[name]
      if (verdict === 'identical') return `${name} identical`
      const verb = verdict === 'unavailable' ? 'unavailable' : name === 'data' ? 'differs' : 'differ'
      return `${name} ${verb}: ${reasons.join(', ')}`
    })
    .join('; ')
}
