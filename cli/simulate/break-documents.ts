import { seededDraws, type SeededDraws } from '../../pipelines/seeded-draws.js'
import type { SimulatedRecord } from './simulation.js'

/** How documents are broken, by the kind that their dead letter gets. */
export const BAD_KINDS = ['malformed-json', 'missing-field', 'wrong-type', 'duplicate-key'] as const
export type BadKind = (typeof BAD_KINDS)[number]

/** Breaks a share of the records, by the seed; the others stay as they are. `counts` grows as they are taken. */
export function breakDocuments(
  records: Iterable<SimulatedRecord>,
  { seed, share, members }: { seed: number; share: number; members: readonly [string, ...string[]] },
): { readonly records: Iterable<SimulatedRecord>; readonly counts: Readonly<Record<BadKind, number>> } {
  const counts = { 'malformed-json': 0, 'missing-field': 0, 'wrong-type': 0, 'duplicate-key': 0 }
  const draws = seededDraws(seed, 'bad')
  function* broken(): Generator<SimulatedRecord> {
    for (const record of records) {
      if (draws.uniform() >= share) yield record
      else {
        const kind = draws.pick(BAD_KINDS)
        counts[kind] += 1
        yield { ...record, value: brokenText(record.value, kind, draws.pick(members), draws) }
      }
    }
  }
  return { records: share === 0 ? records : broken(), counts }
}

function brokenText(text: string, kind: BadKind, member: string, draws: SeededDraws): string {
  if (kind === 'malformed-json') return text.slice(0, 1 + draws.below(text.length - 1))
  const document = JSON.parse(text) as Readonly<Record<string, unknown>>
  const value = document[member]
  switch (kind) {
    case 'missing-field':
      return JSON.stringify({ ...document, [member]: undefined })
    case 'wrong-type':
      return JSON.stringify({ ...document, [member]: { value } })
    case 'duplicate-key':
      return `{${JSON.stringify(member)}:${JSON.stringify(value)},${text.slice(1)}`
  }
}
