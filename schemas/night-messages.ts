/** A date that a schedule was due at and that has no night. */
export interface MissedNight {
  /** Batch id of the scheduled instant. */
  readonly batch: string
  /** Why it is one: `no night was started`, or how its night ended. */
  readonly why: string
  /** The night that didn't come to its end, where there was one. */
  readonly workflowId?: string
}

export interface MissedNights {
  /** Absent: the pipeline's definition has no schedule, or the server has none of its name. */
  readonly scheduleId?: string
  /** Instants after this one were looked at. ISO 8601. */
  readonly lookedBackTo?: string
  readonly missed: readonly MissedNight[]
}

export interface LookBackInput {
  readonly pipeline: string
  /** The night that looks back: dates before it. */
  readonly batch: string
}
