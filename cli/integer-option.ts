import { InvalidArgumentError } from 'commander'

/** Parser of an option that takes a whole number from 0 on. */
export function integerOption(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 0 on.')
  return Number(text)
}
