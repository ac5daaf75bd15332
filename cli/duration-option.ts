import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../schemas/duration.js'

/** Parser of an option that takes a duration; in ms. */
export function durationOption(text: string): number {
  const ms = /^(\d{1,9})ms$/.exec(text)?.[1]
  const duration = ms === undefined ? parseDuration(text) : Number(ms)
  if (duration !== undefined) return duration
  throw new InvalidArgumentError('Give a duration such as 500ms, 5s, 2m or 1h.')
}
