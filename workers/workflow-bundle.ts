import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { packageRoot } from '../engine/compiled-entry.js'
import { FirnError } from '../schemas/error.js'

/** What `npm run build` notes beside the bundles. */
interface BundleFacts {
  /** Version of @temporalio/worker that made them. */
  readonly sdk: string
}

/**
 * The bundle that `npm run build` makes; `traced`: the one with interceptors for spans. Throws `config` where it is missing, or
 * was made by another version of Temporal's SDK than the one that is to run it.
 */
export function workflowBundlePath(kind: 'plain' | 'traced' = 'plain'): string {
  const path = join(
    packageRoot(),
    'dist',
    kind === 'plain' ? 'workflow-bundle.js' : 'workflow-bundle-traced.js',
  )
  const factsPath = join(packageRoot(), 'dist', 'workflow-bundle.json')
  if (!existsSync(path) || !existsSync(factsPath))
    throw new FirnError('config', `the workflow bundle ${path} is missing: run \`npm run build\`.`)
  const { sdk } = JSON.parse(readFileSync(factsPath, 'utf8')) as BundleFacts
  refuseOtherSdk(sdk, sdkVersion())
  return path
}

/** Throws `config`. */
export function refuseOtherSdk(builtBy: string, running: string): void {
  if (builtBy === running) return
  throw new FirnError(
    'config',
    `the workflow bundle was made by @temporalio/worker ${builtBy}, and ${running} is installed: the two must be the same. Run \`npm ci\` for the versions that belong together, then \`npm run build -- --force\`.`,
  )
}

/** `<version of this package>-<digest of the workflows>`: another one wherever workflows may do something else. */
export function defaultBuildId(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string
  }
  // Without the source map, which names folders of the machine that built it.
  const code = readFileSync(workflowBundlePath(), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '')
  const digest = createHash('sha256').update(code).digest('hex')
  return `${version}-${digest.slice(0, 12)}`
}

function sdkVersion(): string {
  const { version } = createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string }
  return version
}
