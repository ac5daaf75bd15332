import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../../engine/compiled-entry.js'

/** Writes a pipeline of the name "endless" and a document for it: its one table takes as long as one lets it. */
export function writeEndlessPipeline(folder: string): {
  readonly pipeline: string
  readonly documents: string
} {
  const [pipeline, documents] = [join(folder, 'endless'), join(folder, 'endless-documents')]
  mkdirSync(pipeline, { recursive: true })
  mkdirSync(documents, { recursive: true })
  const definition = {
    name: 'endless',
    sources: {
      events: { kind: 'json', topic: 'events', schema: { id: 'string' }, identity: ['id'] },
    },
    tables: {
      sums: {
        ...{ sql: 'sums.sql', schema: { id: 'string!', total: 'double!' } },
        ...{ key: ['id'], partition: [], write: 'insert-new' },
      },
    },
  }
  const entry = pathToFileURL(join(packageRoot(), 'dist', 'index.js')).href
  writeFileSync(
    join(pipeline, 'pipeline.mjs'),
    `import { definePipeline } from '${entry}'\nexport default definePipeline(${JSON.stringify(definition)})\n`,
  )
  writeFileSync(
    join(pipeline, 'sums.sql'),
    `SELECT e.id, (SELECT max(sin(a.range) * cos(b.range)) FROM range(4000000) a, range(4000000) b) AS total FROM events e`,
  )
  writeFileSync(join(documents, '1.json'), '{"id": "a"}')
  return { pipeline, documents }
}
