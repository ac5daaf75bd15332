import { FirnError } from '../../schemas/error.js'

/** The topic is not the one that was landed so far; nothing is landed until somebody says how to go on. */
export function sourceChanged(topic: string, what: string, nextIncarnation: string): FirnError {
  const accept = `incarnation:${nextIncarnation}`
  return new FirnError(
    'source-changed',
    `topic ${topic} changed: ${what}. Nothing was landed and nothing skipped. To land it from its beginning as a new ` +
      `source of offsets answer \`--accept ${accept}\` (records that were landed before fall out at build, by their id).`,
    { context: { topic, accept } },
  )
}

/** Retention removed records before they were landed. */
export function offsetsLost(
  topic: string,
  lost: readonly { readonly partition: number; readonly first: number; readonly end: number }[],
): FirnError {
  const count = lost.reduce((sum, range) => sum + range.end - range.first, 0)
  const named = lost
    .slice(0, 5)
    .map(({ partition, first, end }) => `partition ${partition}: ${first} to ${end - 1}`)
  const more = lost.length > 5 ? ` and ${lost.length - 5} more partitions` : ''
  return new FirnError(
    'offsets-lost',
    `${count} offsets of topic ${topic} were removed by retention before they were landed (${named.join('; ')}${more}). ` +
      'Nothing was landed. If they can be had again, restore them; to go on without them answer `--accept lost-offsets`: ' +
      'the ledger then names them as lost.',
    { context: { topic, accept: 'lost-offsets', lost: lost.slice(0, 20) } },
  )
}
