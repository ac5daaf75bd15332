import type { FirnErrorKind } from '../../schemas/error.js'
import type { TrainingProgress } from '../../schemas/model-messages.js'

/** What a child process says to its parent. */
export type ChildMessage =
  | { readonly kind: 'progress'; readonly message: string; readonly training?: TrainingProgress }
  | { readonly kind: 'load-checkpoint'; readonly id: number }
  | { readonly kind: 'save-checkpoint'; readonly id: number; readonly state: Uint8Array }
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: FirnErrorKind; readonly message: string }

/** What the parent says: the job first, then one answer for each checkpoint that is loaded or saved. */
export type ParentMessage =
  | { readonly kind: 'job'; readonly job: unknown; readonly checkpointEveryMs?: number }
  | {
      readonly kind: 'checkpoint'
      readonly id: number
      /** Of a load that found one. */
      readonly state?: Uint8Array
      /** Why it could not be loaded or saved. */
      readonly error?: string
    }
