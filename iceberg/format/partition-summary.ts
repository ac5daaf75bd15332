import type { FieldSummary } from '../spec/data-file.js'
import { compareValues, encodeValue } from '../spec/single-value.js'
import type { PrimitiveType, Value } from '../spec/type.js'

export interface PartitionSummaries {
  add(partition: readonly (Value | null)[]): void
  finish(): readonly FieldSummary[]
}

/** Gathers what a manifest list says of each partition field over all entries of a manifest. NaN is in no bound. */
export function newSummaries(types: readonly (PrimitiveType | undefined)[]): PartitionSummaries {
  const drafts = types.map((type) => new SummaryDraft(type))
  return {
    add: (partition) => drafts.forEach((draft, index) => draft.add(partition[index] ?? null)),
    finish: () => drafts.map((draft) => draft.finish()),
  }
}

class SummaryDraft {
  private containsNull = false
  private containsNan = false
  private lower: Value | undefined
  private upper: Value | undefined

  constructor(private readonly type: PrimitiveType | undefined) {}

  add(value: Value | null): void {
    if (value === null) this.containsNull = true
    else if (Number.isNaN(value)) this.containsNan = true
    else if (this.type !== undefined) {
      if (this.lower === undefined || compareValues(this.type, value, this.lower) < 0) this.lower = value
      if (this.upper === undefined || compareValues(this.type, value, this.upper) > 0) this.upper = value
    }
  }

  finish(): FieldSummary {
    const { type, lower, upper } = this
    return {
      containsNull: this.containsNull,
      containsNan: this.containsNan,
      ...(type === undefined || lower === undefined || upper === undefined
        ? {}
        : { lowerBound: encodeValue(type, lower), upperBound: encodeValue(type, upper) }),
    }
  }
}
