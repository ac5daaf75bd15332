import type { Random } from '../random.js'

/** What became of one damaged file. */
export type Trial =
  /** Read as if nothing were wrong. */
  | { readonly kind: 'unnoticed' }
  | { readonly kind: 'refused'; readonly error: unknown }
  /** Read with other content, where nothing in the format could have told. */
  | { readonly kind: 'unseen'; readonly problem: string }
  | { readonly kind: 'wrong'; readonly problem: string }

/** Files of one kind, whole at first, that are damaged one at a time. */
export interface FuzzTarget {
  readonly name: string
  create(): Promise<void>
  /** Leaves everything whole again. */
  tryDamaged(random: Random): Promise<Trial>
  close?(): Promise<void>
}
