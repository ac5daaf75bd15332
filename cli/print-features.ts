import type { NamedDefinition } from '../ml/views/definition-history.js'
import type { DefinitionState } from '../ml/views/definition-states.js'
import { diffLines, type DefinitionDifference } from '../ml/views/diff-definitions.js'
import type { UsedBy } from '../ml/views/used-by.js'
import { escapeInvisible, print, printTable } from './output.js'

export function printStates(states: readonly DefinitionState[]): void {
  printTable(
    ['kind', 'pipeline', 'name', 'fingerprint', 'state', 'last recorded', 'by'],
    states.map(({ kind, pipeline, name, state, current, history }) => {
      const last = history.at(-1)
      return [
        ...[kind, pipeline, name, shortly(current?.fingerprint), state],
        ...(last === undefined ? [undefined, undefined] : [timeOf(last.recordedAtMs), last.recordedBy]),
      ]
    }),
  )
}

export function printDefinition({ kind, pipeline, name, state, current, history }: DefinitionState): void {
  const { sqlText, ...definition } = (current ?? history.at(-1))?.definition ?? {}
  print(`${kind} ${name} of ${pipeline}  (${state}, fingerprint ${shortly(current?.fingerprint)})`)
  print(escapeInvisible(JSON.stringify(definition, null, 2)))
  if (typeof sqlText === 'string') print(`\n${escapeInvisible(sqlText.trim())}`)
  if (history.length === 0) return
  print('')
  printTable(
    ['recorded', 'fingerprint', 'by'],
    history.map((one) => [timeOf(one.recordedAtMs), shortly(one.fingerprint), one.recordedBy]),
  )
}

export function printDifferences(of: {
  readonly before: NamedDefinition
  readonly after: NamedDefinition
  readonly differences: readonly DefinitionDifference[]
}): void {
  const { before, after, differences } = of
  print(`${after.kind} ${after.name}  ${shortly(before.fingerprint)} → ${shortly(after.fingerprint)}`)
  if (differences.length === 0 && before.fingerprint !== after.fingerprint)
    print('its own text is the same: what changed is a view that it takes features from')
  for (const { path, before: was, after: is } of differences) {
    if (path !== 'sqlText' || typeof was !== 'string' || typeof is !== 'string') {
      print(`  ${path}: ${textOf(was)} → ${textOf(is)}`)
      continue
    }
    for (const [mark, line] of diffLines(was, is)) print(escapeInvisible(`  ${mark} ${line}`))
  }
}

export function printUses(use: UsedBy): void {
  print(`${use.kind} ${use.name} of ${use.pipeline} is used by`)
  const line = (what: string, names: readonly string[]): void => {
    if (names.length > 0) print(`  ${what.padEnd(14)} ${names.join(', ')}`)
  }
  line('feature views', use.featureViews)
  line('label views', use.labelViews)
  line('services', use.services)
  line('splits', use.splits)
  line('models', use.models)
  line(
    'versions',
    use.versions.map(({ model, version }) => `models:/${model}/${version}`),
  )
  const { featureViews, labelViews, services, splits, models, versions } = use
  if ([featureViews, labelViews, services, splits, models, versions].every((names) => names.length === 0))
    print('  nothing')
}

function shortly(fingerprint: string | undefined): string {
  return fingerprint === undefined ? '—' : fingerprint.slice(0, 12)
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}

function textOf(value: unknown): string {
  return value === undefined ? '—' : escapeInvisible(JSON.stringify(value))
}
