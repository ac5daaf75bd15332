import type { Rewriter } from '../../iceberg/maintain/rewriter.js'
import type { Engine } from '../engine.js'

/** Compaction's port over an engine. What does not fit into the engine's memory limit spills to its temp folder. */
export function createRewriter(engine: Engine): Rewriter {
  return {
    async rewrite({ tasks, schema, spec, dataLocation, targetFileSizeBytes }) {
      const session = await engine.openSession()
      try {
        await session.addRelation({ kind: 'scan', name: 'live_rows', schema, tasks })
        const target = { schema, spec, dataLocation, orderBy: [], targetFileSizeBytes }
        const { files } = await session.write('SELECT * FROM live_rows', target)
        return files
      } finally {
        await session.close()
      }
    },
  }
}
