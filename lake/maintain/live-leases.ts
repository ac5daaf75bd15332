import type { LakeDeps } from '../../schemas/lake-deps.js'
import { listLeases, type Lease } from '../staging/stage.js'

/** Clocks of workers differ a little: a lease counts as live for longer than a publish trusts it. */
const LEASE_GRACE_MS = 3_600_000

export function isLiveLease(deps: Pick<LakeDeps, 'now'>, lease: Lease): boolean {
  return lease.expiresAtMs + LEASE_GRACE_MS > deps.now()
}

/** Locations of staged files that a batch under way is still to publish. */
export async function leasedFiles(deps: LakeDeps): Promise<readonly string[]> {
  const leases = await listLeases(deps)
  return leases
    .filter((lease) => isLiveLease(deps, lease))
    .flatMap((lease) => lease.files.map((file) => file.filePath))
}
