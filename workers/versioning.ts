import type { Client } from '@temporalio/client'
import type { WorkerOptions } from '@temporalio/worker'
import { FirnError } from '../schemas/error.js'
import { defaultBuildId } from './workflow-bundle.js'
import type { WorkerSettings } from './worker-settings.js'

/**
 * All queues of a build carry its version, so that a workflow's activities run on the build that runs the workflow. A workflow
 * stays on the build that it was started on, but those that run for ever (streamSource, trainer, backfill), which say so.
 */
export function versioningOf(
  deployment: WorkerSettings['deployment'],
): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (deployment === undefined) return {}
  return {
    workerDeploymentOptions: {
      useWorkerVersioning: true,
      version: { deploymentName: deployment.name, buildId: deployment.buildId ?? defaultBuildId() },
      defaultVersioningBehavior: 'PINNED',
    },
  }
}

/** A build of a deployment, as the server knows it. */
export interface BuildStatus {
  readonly deployment: string
  readonly buildId: string
  /** `current` gets new workflows; `draining` has workflows left; `drained` may be stopped; `inactive` was never current. */
  readonly status: 'current' | 'ramping' | 'inactive' | 'draining' | 'drained' | 'unknown'
}

const STATUSES: readonly BuildStatus['status'][] = [
  'unknown',
  'inactive',
  'current',
  'ramping',
  'draining',
  'drained',
]

/** All builds of all deployments of the client's namespace. */
export async function listBuilds(client: Client): Promise<readonly BuildStatus[]> {
  const { namespace } = client.options
  const { workflowService } = client
  const builds: BuildStatus[] = []
  let nextPageToken: Uint8Array | undefined
  do {
    const page = await workflowService.listWorkerDeployments({
      namespace,
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    })
    for (const { name } of page.workerDeployments) {
      const described = await workflowService.describeWorkerDeployment({
        namespace,
        deploymentName: name ?? '',
      })
      for (const { deploymentVersion, status } of described.workerDeploymentInfo?.versionSummaries ?? [])
        builds.push({
          deployment: name ?? '',
          buildId: deploymentVersion?.buildId ?? '',
          status: STATUSES[status ?? 0] ?? 'unknown',
        })
    }
    nextPageToken = page.nextPageToken.length === 0 ? undefined : page.nextPageToken
  } while (nextPageToken !== undefined)
  return builds
}

/** New workflows go to this build from now on. Throws `not-found` where no worker of it has come up yet. */
export async function promoteBuild(
  client: Client,
  build: Pick<BuildStatus, 'deployment' | 'buildId'>,
): Promise<void> {
  const builds = await listBuilds(client)
  const known = builds.filter(({ deployment }) => deployment === build.deployment)
  if (!known.some(({ buildId }) => buildId === build.buildId)) {
    const there = known.map(({ buildId }) => buildId).join(', ')
    const hint =
      known.length === 0
        ? `the server knows the deployments ${[...new Set(builds.map(({ deployment }) => deployment))].join(', ') || 'of nobody yet'}`
        : `it has ${there}`
    throw new FirnError(
      'not-found',
      `deployment ${build.deployment} has no build ${build.buildId}: ${hint}. Start workers of it first (FIRN_DEPLOYMENT, FIRN_BUILD_ID).`,
    )
  }
  await client.workflowService.setWorkerDeploymentCurrentVersion({
    namespace: client.options.namespace,
    deploymentName: build.deployment,
    buildId: build.buildId,
    identity: client.options.identity,
  })
}
