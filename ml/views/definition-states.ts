import { FirnError } from '../../schemas/error.js'
import type { DefinitionKind, NamedDefinition, RecordedDefinition } from './definition-history.js'

/** A definition beside its history. */
export interface DefinitionState extends Pick<NamedDefinition, 'kind' | 'pipeline' | 'name'> {
  /** `new`: never recorded; `changed`: it differs from the last recorded one; `gone`: recorded and defined no more. */
  readonly state: 'new' | 'recorded' | 'changed' | 'gone'
  readonly current?: NamedDefinition
  /** Oldest first. */
  readonly history: readonly RecordedDefinition[]
}

/** Each definition that is there or was once, those that are there first. */
export function definitionStates(
  current: readonly NamedDefinition[],
  history: readonly RecordedDefinition[],
): readonly DefinitionState[] {
  const recorded = new Map<string, RecordedDefinition[]>()
  for (const one of history) {
    const own = recorded.get(keyOf(one)) ?? []
    recorded.set(keyOf(one), own)
    own.push(one)
  }
  const there = new Set(current.map(keyOf))
  return [
    ...current.map((one): DefinitionState => {
      const own = recorded.get(keyOf(one)) ?? []
      const last = own.at(-1)
      const isSame = last?.fingerprint === one.fingerprint
      const state = last === undefined ? 'new' : isSame ? 'recorded' : 'changed'
      return { ...named(one), state, current: one, history: own }
    }),
    ...[...recorded.values()].flatMap(([first, ...rest]): readonly DefinitionState[] =>
      first === undefined || there.has(keyOf(first))
        ? []
        : [{ ...named(first), state: 'gone', history: [first, ...rest] }],
    ),
  ]
}

/** The one definition that a name means; `not-found` tells near ones, `invalid-input` those that share it. */
export function findDefinition(
  states: readonly DefinitionState[],
  of: { readonly name: string; readonly kind?: DefinitionKind; readonly pipeline?: string },
): DefinitionState {
  const found = states.filter(
    ({ name, kind, pipeline }) =>
      name === of.name && kind === (of.kind ?? kind) && pipeline === (of.pipeline ?? pipeline),
  )
  const [only, ...others] = found
  if (only !== undefined && others.length === 0) return only
  if (only === undefined) {
    const known = [...new Set(states.map(({ name }) => name))].join(', ') || 'none'
    throw new FirnError(
      'not-found',
      `nothing is defined as "${of.name}"; there are: ${known}. Correct the name.`,
    )
  }
  const told = found.map(({ kind, name, pipeline }) => `${kind} ${name} of ${pipeline}`).join(', ')
  throw new FirnError(
    'invalid-input',
    `"${of.name}" is several things: ${told}. Say which by --kind or --pipeline.`,
  )
}

/** The newest recorded state whose fingerprint begins so. */
export function recordedAs(
  { history, name, current }: DefinitionState,
  fingerprint: string,
): NamedDefinition {
  const all: readonly NamedDefinition[] = [...history, ...(current === undefined ? [] : [current])]
  const found = all.filter((one) => one.fingerprint.startsWith(fingerprint))
  const [newest] = found.slice(-1)
  if (newest !== undefined && new Set(found.map((one) => one.fingerprint)).size === 1) return newest
  const known = [...new Set(all.map((one) => one.fingerprint.slice(0, 12)))].join(', ')
  const what = newest === undefined ? 'has no state' : 'has several states'
  throw new FirnError(
    'not-found',
    `${name} ${what} with the fingerprint ${fingerprint}…; it has ${known || 'none'}.`,
  )
}

function keyOf({ kind, pipeline, name }: Pick<NamedDefinition, 'kind' | 'pipeline' | 'name'>): string {
  return `${pipeline} ${kind} ${name}`
}

function named({ kind, pipeline, name }: NamedDefinition) {
  return { kind, pipeline, name }
}
