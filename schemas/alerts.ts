import type { RunInfo } from './publish.js'

/** What an operator is told of by itself. Kept open: further kinds may come. */
export type AlertKind =
  'batch-failed' | 'night-failed' | 'missed-night' | 'late-source' | 'maintenance-failed' | 'test'

export interface Alert {
  /** The same happening has the same key, however often it is noticed: it is told once. */
  readonly key: string
  readonly kind: AlertKind
  readonly pipeline?: string
  readonly batch?: string
  /** The source, table or workflow that it is about. */
  readonly subject?: string
  /** What happened, with which values, what to do next. */
  readonly message: string
}

export interface RaiseAlertsInput {
  readonly alerts: readonly Alert[]
  readonly run: RunInfo
}

export interface RaisedAlerts {
  /** Those that were not told before. */
  readonly raised: readonly string[]
  readonly webhook: WebhookOutcome
}

/** `none`: no webhook is set, or there was nothing to say. `failed: …`: why, without its address. */
export type WebhookOutcome = 'none' | 'sent' | `failed: ${string}`

/** Posts JSON to the address that alerts go to; never rejects, never says the address. */
export type Webhook = (body: object) => Promise<WebhookOutcome>

/** A source that nothing was landed of for longer than its definition allows. */
export interface LateSource {
  readonly source: string
  readonly lateAfter: string
  /** ISO 8601; absent where nothing was ever landed, or it is longer ago than the ledger's snapshots reach. */
  readonly lastLandedAt?: string
}
