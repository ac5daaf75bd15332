import { InvalidArgumentError } from 'commander'
import type { LandingAnswer } from '../schemas/messages.js'

/** Description of an option that may be given several times. */
export const ACCEPT = 'answer to what paused the source: lost-offsets, all-bad or incarnation:<12 hex digits>'

/** Parser of that option. */
export function answerOption(text: string, before: readonly LandingAnswer[] = []): readonly LandingAnswer[] {
  if (isAnswer(text)) return [...before, text]
  throw new InvalidArgumentError('Give lost-offsets, all-bad or incarnation:<12 hex digits>.')
}

function isAnswer(text: string): text is LandingAnswer {
  return text === 'lost-offsets' || text === 'all-bad' || /^incarnation:[0-9a-f]{12}$/.test(text)
}
