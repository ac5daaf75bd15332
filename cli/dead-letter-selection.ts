import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import type { LetterId } from '../lake/dead-letters/letter-id.js'
import type { LetterSelection } from '../lake/dead-letters/read-letters.js'
import { parseBatchId } from '../schemas/batch.js'
import { FirnError } from '../schemas/error.js'

/** Options that say which dead letters are meant. */
export interface SelectionOptions {
  readonly source?: string
  readonly kind?: string
  readonly batch?: string
  readonly since?: number
  readonly all?: true
}

export function addSelectionOptions(command: Command): Command {
  return command
    .option('--source <name>', 'only letters of this source')
    .option('--kind <cause>', 'only letters of this cause, e.g. wrong-type')
    .option('--batch <id>', 'only letters of this batch, e.g. 20260701T020000Z')
    .option(
      '--since <time>',
      'only letters of batches from then on: 2026-07-01, an instant, or 90m, 12h, 7d',
      sinceOption,
    )
}

export function selectionOf({ source, kind, batch, since }: SelectionOptions): LetterSelection {
  return {
    ...(source === undefined ? {} : { source }),
    ...(kind === undefined ? {} : { kind }),
    ...(batch === undefined ? {} : { batch: parseBatchId(batch) }),
    ...(since === undefined ? {} : { sinceMs: since }),
  }
}

/** For what changes something: ids, or a selection, or all of them on demand. */
export function chosenOf(ids: readonly LetterId[], options: SelectionOptions): LetterSelection {
  const selection = selectionOf(options)
  const selects = Object.keys(selection).length > 0
  if (Number(ids.length > 0) + Number(selects) + Number(options.all === true) !== 1) {
    throw new FirnError(
      'invalid-input',
      'say which dead letters: their ids, or a selection (--source, --kind, --batch, --since), or --all; one of the three.',
    )
  }
  return ids.length > 0 ? { ids } : selection
}

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds since 1970. */
function sinceOption(text: string): number {
  const [, count, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? []
  if (count !== undefined) return Date.now() - Number(count) * (UNITS_MS[unit ?? ''] ?? 0)
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const isInstant = /^\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})$/.test(text)
  const ms = isDay || isInstant ? Date.parse(text) : Number.NaN
  const isCalendarDay = !isDay || new Date(ms || 0).toISOString().startsWith(text)
  if (Number.isNaN(ms) || !isCalendarDay) {
    throw new InvalidArgumentError(
      'Give a day such as 2026-07-01, an instant such as 2026-07-01T02:00:00Z, or 90m, 12h, 7d.',
    )
  }
  return ms
}
