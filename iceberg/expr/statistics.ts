import type { DataFile, FieldSummary } from '../spec/data-file.js'
import { compareValues, decodeValue } from '../spec/single-value.js'
import type { PrimitiveType, Value } from '../spec/type.js'
import type { BoundColumn, BoundExpression, BoundPredicate } from './bind.js'
import { evaluatePredicate, includesValue, lowerIndex } from './evaluate.js'

/** What is known of a column's values in a group of rows. Bounds are of the values that are neither null nor NaN. */
export interface ColumnStatistics {
  readonly mayBeNull: boolean
  readonly mayBeNan: boolean
  /** Whether there may be a value that is neither null nor NaN. */
  readonly mayBeOrdinary: boolean
  /** Not above any value (a truncated string is fine); absent: unknown. */
  readonly lower?: Value | undefined
  /** Not below any value; absent: unknown. */
  readonly upper?: Value | undefined
}

/** False only where no row of the group can match: the evaluator of manifests and of files' metrics. */
export function mightMatch(
  expression: BoundExpression,
  statisticsOf: (column: BoundColumn) => ColumnStatistics,
): boolean {
  switch (expression.kind) {
    case 'true':
      return true
    case 'false':
      return false
    case 'and':
      return mightMatch(expression.left, statisticsOf) && mightMatch(expression.right, statisticsOf)
    case 'or':
      return mightMatch(expression.left, statisticsOf) || mightMatch(expression.right, statisticsOf)
    default:
      return predicateMightMatch(expression, statisticsOf(expression.column))
  }
}

/** Statistics of a data file's column from its metrics. Counts may be missing, and bounds never cover NaN. */
export function fileStatistics(file: DataFile, { id, type }: BoundColumn): ColumnStatistics {
  const values = file.valueCounts?.get(id)
  const nulls = file.nullValueCounts?.get(id)
  const nans = isFloating(type) ? file.nanValueCounts?.get(id) : 0
  const ordinary =
    values === undefined || nulls === undefined || nans === undefined ? Infinity : values - nulls - nans
  return {
    mayBeNull: nulls !== 0,
    mayBeNan: nans !== 0,
    mayBeOrdinary: ordinary > 0,
    lower: boundOf(type, file.lowerBounds?.get(id)),
    upper: boundOf(type, file.upperBounds?.get(id)),
  }
}

/** Statistics of a partition field over a manifest. Without bounds all of its values are null or NaN. */
export function summaryStatistics(
  summary: FieldSummary | undefined,
  { type }: BoundColumn,
): ColumnStatistics {
  if (summary === undefined) return { mayBeNull: true, mayBeNan: true, mayBeOrdinary: true }
  return {
    mayBeNull: summary.containsNull,
    mayBeNan: isFloating(type) && summary.containsNan !== false,
    mayBeOrdinary: summary.lowerBound !== undefined || summary.upperBound !== undefined,
    lower: boundOf(type, summary.lowerBound),
    upper: boundOf(type, summary.upperBound),
  }
}

function isFloating(type: PrimitiveType): boolean {
  return type === 'float' || type === 'double'
}

/** Bounds that are NaN (old writers) or of another type than the column has now say nothing. */
function boundOf(type: PrimitiveType, bytes: Uint8Array | undefined): Value | undefined {
  if (bytes === undefined) return undefined
  try {
    const value = decodeValue(type, bytes)
    return Number.isNaN(value) ? undefined : value
  } catch {
    return undefined
  }
}

function predicateMightMatch(predicate: BoundPredicate, statistics: ColumnStatistics): boolean {
  if (predicate.kind === 'is-null') {
    return predicate.negated ? statistics.mayBeNan || statistics.mayBeOrdinary : statistics.mayBeNull
  }
  if (statistics.mayBeNan && evaluatePredicate(predicate, NaN) === true) return true
  return statistics.mayBeOrdinary && boundsMightMatch(predicate, statistics)
}

function boundsMightMatch(
  predicate: Exclude<BoundPredicate, { readonly kind: 'is-null' }>,
  { lower, upper }: ColumnStatistics,
): boolean {
  const { type } = predicate.column
  const isOneValue = lower !== undefined && upper !== undefined && compareValues(type, lower, upper) === 0
  switch (predicate.kind) {
    case 'is-nan':
      return predicate.negated
    case 'compare': {
      const { op, value } = predicate
      if (op === 'not-eq') return !(isOneValue && compareValues(type, lower, value) === 0)
      const aboveLower = lower === undefined || compareValues(type, value, lower) >= (op === 'lt' ? 1 : 0)
      const belowUpper = upper === undefined || compareValues(type, value, upper) <= (op === 'gt' ? -1 : 0)
      if (op === 'eq') return aboveLower && belowUpper
      return op === 'lt' || op === 'lt-eq' ? aboveLower : belowUpper
    }
    case 'in': {
      if (predicate.negated) return !(isOneValue && includesValue(type, predicate.values, lower))
      const first = predicate.values[lower === undefined ? 0 : lowerIndex(type, predicate.values, lower)]
      return first !== undefined && (upper === undefined || compareValues(type, first, upper) <= 0)
    }
    case 'starts-with': {
      const { prefix, negated } = predicate
      if (typeof lower !== 'string' || typeof upper !== 'string') return true
      if (negated) return !(lower.startsWith(prefix) && upper.startsWith(prefix))
      const lowerStart = lower.slice(0, prefix.length)
      return compareValues(type, lowerStart, prefix) <= 0 && compareValues(type, upper, prefix) >= 0
    }
  }
}
