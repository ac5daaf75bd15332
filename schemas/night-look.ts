import type { LateSource } from './alerts.js'
import type { OnChange } from './definition-change.js'
import type { LandResult } from './messages.js'
import type { MissedNight } from './night-messages.js'

export interface LookAtNightInput {
  readonly pipeline: string
  readonly day: { readonly batch: string } | { readonly date: string }
  readonly from?: string
  readonly onChange?: OnChange
  /** Also for dates before it that had no night, and for late sources. */
  readonly looksBack: boolean
}

/** What was found; a part that is absent was not found out. */
export interface NightLook {
  readonly batch?: string
  readonly missed?: readonly MissedNight[]
  /** There is nothing to land and nothing to build: what landing says then, and the sources that are late. */
  readonly nothing?: { readonly land: LandResult; readonly late: readonly LateSource[] }
}
