/** How long a client may use a key again. */
export const KEY_LIFETIME_HOURS = 1

/** What became of a keyed request: started and perhaps done, or answered for good. */
export interface KeptAnswer {
  /** Of the request: method, path, principal, body. */
  readonly fingerprint: string
  /** Absent: it was started, and nobody wrote down how it ended. */
  readonly final?: FinalAnswer
}

export interface FinalAnswer {
  readonly status: number
  /** JSON text; '' where the answer has no body. */
  readonly body: string
  readonly etag?: string
}

/** Answers by idempotency key, kept for a while. Each call is one transaction; errors are IcebergErrors `io`. */
export interface AnswerLog {
  /** Undefined: the key was new, and stands as started now. */
  start(key: string, fingerprint: string): Promise<KeptAnswer | undefined>
  finish(key: string, answer: FinalAnswer): Promise<void>
  /** The request did certainly nothing: its key is free again. */
  forget(key: string): Promise<void>
}
