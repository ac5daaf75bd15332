import type { EngineSession } from '../../engine/engine.js'
import type { ResolvedFeature, ResolvedView } from '../views/resolved-view.js'

/** A view whose rows are a relation of the session. */
export interface ViewRelation {
  readonly view: ResolvedView
  /** Name of a relation with join keys, times and features; pinned by whoever added it. */
  readonly relation: string
}

export interface JoinFeaturesOptions {
  readonly session: EngineSession
  /** Relation of entity rows: join keys, an observation time (timestamptz), anything else. Duplicates are allowed. */
  readonly entityRows: string
  readonly timestampField: string
  readonly views: readonly ViewRelation[]
  /** In the order of the columns wanted. */
  readonly features: readonly ResolvedFeature[]
  /** Name of the relation that is made: the columns of the entity rows, in their order, then the features. */
  readonly into: string
  /** Only rows known by the observation time where a view says when its rows were known. Default true. */
  readonly knownBy?: boolean
}

/** Declared here, implemented below. */
export type JoinFeatures = (options: JoinFeaturesOptions) => Promise<void>
