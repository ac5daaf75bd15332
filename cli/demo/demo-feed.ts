import { join } from 'node:path'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { FirnConfig } from '../../workers/config.js'
import type { TopicAccount } from './account-for-topic.js'

/** How the sample's documents reach the lake. */
export interface DemoFeed {
  /** Puts documents [from, from + count) where the next night finds them. */
  deliver(from: number, count: number): Promise<void>
  /** Folder that the nights land from; absent: they land from the pipeline's topic. */
  readonly folder?: string
  /** The topic: what of it is in the lake. */
  readonly account?: (deps: LakeDeps) => Promise<TopicAccount>
}

/** The folder of the topic under the landing root. */
export function folderFeed(config: FirnConfig): DemoFeed {
  const folder = join(config.landingRoot, 'experiment.vqe')
  return {
    folder,
    async deliver(from, count) {
      await unpackSample({ folder, from, count })
    },
  }
}
