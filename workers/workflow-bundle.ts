import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../engine/compiled-entry.js'
import { FirnError } from '../schemas/error.js'

/** The bundle that `npm run build` makes. */
export function workflowBundlePath(): string {
  const path = join(packageRoot(), 'dist', 'workflow-bundle.js')
  if (existsSync(path)) return path
  throw new FirnError('config', `the workflow bundle ${path} is missing: run \`npm run build\`.`)
}
