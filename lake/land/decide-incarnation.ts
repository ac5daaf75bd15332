import { createHash } from 'node:crypto'
import type { LandingAnswer } from '../../schemas/messages.js'
import { sourceChanged } from './topic-pauses.js'

/** So often may one topic be restored from a backup. */
const MAX_GENERATIONS = 1000

export interface Incarnation {
  readonly name: string
  /** What an answer would name, should its records turn out to be others. */
  readonly next: string
}

/** Which incarnation a topic is landed as. Pure. Throws `source-changed`. */
export function decideIncarnation(known: {
  readonly topic: string
  /** As the broker tells it now. */
  readonly identity: string
  /** What was landed last; undefined: nothing yet. */
  readonly last: string | undefined
  readonly accept: readonly LandingAnswer[]
}): Incarnation {
  const { topic, identity, last, accept } = known
  const at = (generation: number): Incarnation => ({
    name: nameOf(identity, generation),
    next: nameOf(identity, generation + 1),
  })
  const answers = accept.filter((one) => one.startsWith('incarnation:')).map((one) => one.split(':')[1] ?? '')
  const names = new Set([...answers, ...(last === undefined ? [] : [last])])
  let newest: number | undefined
  for (let generation = 0; generation < MAX_GENERATIONS && names.size > 0; generation++) {
    // An answer that was given long ago does not lead back: its offsets are those of records that are gone.
    if (names.delete(nameOf(identity, generation))) newest = generation
  }
  if (newest !== undefined) return at(newest)
  if (last === undefined) return at(0)
  throw sourceChanged(topic, 'it was deleted and made again, or another broker is configured', at(0).name)
}

/** Whether an incarnation is one of this topic, in any generation. */
export function isIncarnationOf(name: string, identity: string): boolean {
  return generationOf(identity, name) !== undefined
}

function generationOf(identity: string, name: string): number | undefined {
  for (let generation = 0; generation < MAX_GENERATIONS; generation++) {
    if (nameOf(identity, generation) === name) return generation
  }
  return undefined
}

/** 12 hex digits of the topic's identity; a broker restored from a backup is another generation of the same topic. */
function nameOf(identity: string, generation: number): string {
  const text = generation === 0 ? identity : `${identity}#${generation}`
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}
