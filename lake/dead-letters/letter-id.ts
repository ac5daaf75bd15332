import { FirnError } from '../../schemas/error.js'

/** What names a record that broke its contract: its place in its source, which it keeps for ever. */
export interface LetterId {
  readonly source: string
  /** Null for letters that were landed before incarnations were written down. */
  readonly incarnation: string | null
  readonly partition: number
  readonly offset: number
}

const ID = /^([A-Za-z_][A-Za-z0-9_-]*)\/(-|[0-9a-f]{12})\/(\d{1,10})\/(\d{1,16})$/

/** `<source>/<incarnation, or ->/<partition>/<offset>`. */
export function formatLetterId({ source, incarnation, partition, offset }: LetterId): string {
  return `${source}/${incarnation ?? '-'}/${partition}/${offset}`
}

/** Throws `invalid-input`. */
export function parseLetterId(text: string): LetterId {
  const [, source, incarnation, partition, offset] = ID.exec(text) ?? []
  if (source === undefined || incarnation === undefined || !Number.isSafeInteger(Number(offset))) {
    throw new FirnError(
      'invalid-input',
      `${JSON.stringify(text)} is no id of a dead letter: give one as \`firn dead-letters list\` prints it, ` +
        'such as orders/0a1b2c3d4e5f/0/42.',
    )
  }
  return {
    source,
    incarnation: incarnation === '-' ? null : incarnation,
    partition: Number(partition),
    offset: Number(offset),
  }
}

/** The id of a row of `raw.dead_letters`, in SQL over `alias`. */
export function letterIdSql(alias: string): string {
  return `(${alias}.source || '/' || coalesce(${alias}.incarnation, '-') || '/' || ${alias}.partition || '/' || ${alias}."offset")`
}

/** What names one row of `raw.dead_letters`: letters of 0.1 have no incarnation, so those of two folders may share an id. */
export function letterKeySql(alias: string): string {
  const more = `'/' || ${alias}.batch || '/' || coalesce(${alias}.path, '')`
  return `(${letterIdSql(alias)} || CASE WHEN ${alias}.incarnation IS NULL THEN ${more} ELSE '' END)`
}
