import { quoteName, quoteText } from '../../engine/duckdb/sql-text.js'
import type { ResolvedLabels } from './resolved-view.js'

/** What the entity of a row is called wherever one text must say it: a JSON array of the keys' values as text. */
export function entityKeySql(joinKeys: readonly string[]): string {
  const values = joinKeys.map((key) => `CAST(${quoteName(key)} AS VARCHAR)`)
  return `CAST(to_json([${values.join(', ')}]) AS VARCHAR)`
}

/** The instant of a label view's observation. */
export function observedAtSql({ timestampField }: ResolvedLabels): string {
  return `CAST(${quoteName(timestampField)} AS TIMESTAMPTZ)`
}

/**
 * Which rows of a label view take part as of an instant: `labelled` those with a label that was final by then, `all`
 * those observed by then. A split and a data set must not mean two things by it.
 */
export function takesPartSql(labels: ResolvedLabels, asOf: string, which: 'labelled' | 'all'): string {
  const isFinal = which === 'labelled'
  const latest = new Date(Date.parse(asOf) - (isFinal ? (labels.maturityMs ?? 0) : 0)).toISOString()
  const observed = `${observedAtSql(labels)} <= ${quoteText(latest)}::TIMESTAMPTZ`
  return isFinal ? `${observed} AND ${quoteName(labels.label)} IS NOT NULL` : observed
}
