import { FirnError } from '../../schemas/error.js'
import type { ModelRegistry } from '../registry/model-registry.js'
import { subjectName, type Unmirrored } from '../registry/mirror-store.js'
import { mirrorAliases } from './mirror-aliases.js'
import { mirrorRun } from './mirror-run.js'
import { mirrorVersion } from './mirror-version.js'
import type { MlflowClient } from './mlflow-client.js'

export interface MirrorOptions {
  readonly onProgress?: (message: string) => void
  readonly signal?: AbortSignal
}

export interface MirrorResult {
  readonly mirrored: number
  /** Stay in the list and are told later. */
  readonly failed: readonly { readonly subject: string; readonly message: string }[]
}

/**
 * Tells MLflow of everything that changed since it was told last. What it refuses is in the answer; where it can't be
 * reached, or refuses the login, the rest isn't tried. Never throws for the server's sake.
 */
export async function mirrorUnmirrored(
  client: MlflowClient,
  registry: ModelRegistry,
  { onProgress, signal }: MirrorOptions = {},
): Promise<MirrorResult> {
  const failed: { subject: string; message: string }[] = []
  let mirrored = 0
  for (const unmirrored of registry.listUnmirrored(client.target)) {
    if (signal?.aborted === true) break
    const subject = `${unmirrored.kind} ${subjectName(unmirrored)}`
    onProgress?.(`MLflow: ${subject}`)
    try {
      await mirrorSubject(client, registry, unmirrored)
      mirrored += 1
    } catch (error) {
      if (!(error instanceof FirnError)) throw error
      failed.push({ subject, message: error.message })
      if (error.kind === 'io' || error.kind === 'config') break
    }
  }
  return { mirrored, failed }
}

async function mirrorSubject(
  client: MlflowClient,
  registry: ModelRegistry,
  unmirrored: Unmirrored,
): Promise<void> {
  if (unmirrored.kind === 'run') await mirrorRun(client, registry, unmirrored.runId)
  else if (unmirrored.kind === 'version') await mirrorVersion(client, registry, unmirrored)
  else await mirrorAliases(client, registry, unmirrored.model)
}
