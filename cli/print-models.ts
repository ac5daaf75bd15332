import type { AliasChange } from '../ml/registry/alias-store.js'
import type { VersionComparison } from '../ml/registry/compare-versions.js'
import type { ModelVersion } from '../ml/registry/version-store.js'
import type { ListedVersion } from './commands/models.js'
import { print, printHeading, printTable } from './output.js'

export function printVersions(versions: readonly ListedVersion[]): void {
  if (versions.length === 0) {
    print('no model is registered yet: `firn train <pipeline> <model>` does it')
    return
  }
  printTable(
    ['model', 'version', 'state', 'aliases', 'estimator', 'features', 'trained at', 'registered'],
    versions.map((version) => [
      ...[version.model, version.version, version.state, version.aliases.join(' ')],
      ...[version.estimator, version.service, version.tag, instant(version.registeredAtMs)],
    ]),
  )
}

export function printVersion({
  version,
  aliases,
  aliasHistory,
}: {
  readonly version: ModelVersion
  readonly aliases: readonly string[]
  readonly aliasHistory: readonly AliasChange[]
}): void {
  const { pin, dataset, trained } = version
  const names = aliases.length === 0 ? '' : `, ${aliases.join(' and ')}`
  print(`models:/${version.model}/${version.version} (${version.state}${names})`)
  print(
    `${pin.estimator} trained on ${dataset.rows} rows × ${dataset.features} features of ${pin.service} at tag ${pin.tag}, seed ${pin.seed}${pin.split === undefined ? '' : `, split ${pin.split}`}`,
  )
  print(
    `registered ${instant(version.registeredAtMs)} by run ${version.runId} (${version.workflow.workflowId})`,
  )
  printHeading('metrics')
  printTable(
    ['metric', 'value', `baseline (${trained.baselineName})`],
    Object.entries(trained.metrics).map(([key, value]) => [key, value, trained.baseline[key]]),
  )
  printHeading('trained on')
  printTable(['table', 'snapshot'], Object.entries(pin.snapshots))
  printTable(
    ['split', 'rows', 'by class'],
    Object.entries(dataset.splits).map(([split, { rows, classes }]) => [
      ...[split, rows],
      Object.entries(classes ?? {})
        .map(([name, count]) => `${name}: ${count}`)
        .join(', '),
    ]),
  )
  const { environment } = trained
  print(`data     ${dataset.digest}`)
  print(`weights  ${trained.weightsDigest}`)
  print(`backend  ${environment.backend} on ${environment.platform}, ${environment.cpu}`)
  print(`code     ${environment.codeVersion ?? 'not known'}`)
  print(`artifact ${trained.artifactLocation}`)
  if (aliasHistory.length > 0) {
    printHeading('aliases')
    printAliasHistory(aliasHistory)
  }
}

export function printAliasHistory(changes: readonly AliasChange[]): void {
  if (changes.length === 0) {
    print('no alias was ever set')
    return
  }
  printTable(
    ['when', 'alias', 'version', 'by', 'why'],
    changes.map(({ atMs, alias, version, by, reason, forced }) => [
      ...[instant(atMs), alias, version ?? 'deleted', by],
      [...(forced ? ['forced'] : []), ...(reason === undefined ? [] : [reason])].join(': '),
    ]),
  )
}

export function printComparison({ a, b, sameRows, testRows, metrics }: VersionComparison): void {
  print(
    `both measured on the same ${testRows} test rows${sameRows ? '; all other rows are the same too' : ''}`,
  )
  const isPaired = metrics.some(({ paired }) => paired !== undefined)
  printTable(
    ['metric', a, b, 'difference', 'baseline', ...(isPaired ? ['95 %', 'p'] : [])],
    metrics.map((row) => [
      ...[row.metric, row.a, row.b, row.difference],
      row.baselineA === row.baselineB ? row.baselineA : `${row.baselineA ?? '—'} / ${row.baselineB ?? '—'}`,
      ...(isPaired
        ? [
            row.paired === undefined
              ? null
              : `${row.paired.low.toPrecision(4)} … ${row.paired.high.toPrecision(4)}`,
            row.paired?.p,
          ]
        : []),
    ]),
  )
}

function instant(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d{3}Z$/, 'Z')
}
