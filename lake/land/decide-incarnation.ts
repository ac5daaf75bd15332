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
  readonly nameOf: (identity: string, generation: number) => string
}): Incarnation {
  const { topic, identity, last, accept, nameOf } = known
  const at = (generation: number): Incarnation => ({
    name: nameOf(identity, generation),
    next: nameOf(identity, generation + 1),
  })
  const answers = accept.filter((one) => one.startsWith('incarnation:')).map((one) => one.split(':')[1] ?? '')
  for (const name of [...answers, ...(last === undefined ? [] : [last])]) {
    for (let generation = 0; generation < MAX_GENERATIONS; generation++) {
      if (nameOf(identity, generation) === name) return at(generation)
    }
  }
  if (last === undefined) return at(0)
  throw sourceChanged(topic, 'it was deleted and made again, or another broker is configured', at(0).name)
}
