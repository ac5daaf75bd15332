import type { LoadedTable } from '../../iceberg/catalog/catalog.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import { ledgerPositions, type Positions } from '../land/ledger.js'
import type { Lease } from '../staging/stage.js'

/** So long after its fetch a landing may be committed again and say what it had landed; later it is planned anew. */
const AGAIN_MS = 3_600_000
const TOPIC_STAGE = /\/landing-(.+)-[0-9a-f]{16}\.json$/

/**
 * What fetches of a topic had staged and the ledger has landed. A stream leaves some with each micro-batch, and every
 * clean-up reads all there are, so they go long before their lease is over.
 */
export async function landedStages(
  deps: LakeDeps,
  ledger: LoadedTable,
  leases: readonly Lease[],
): Promise<readonly Lease[]> {
  const { now, settings } = deps
  const since = now() - AGAIN_MS + settings.stagingLeaseMs
  const isOld = ({ location, expiresAtMs }: Lease): boolean =>
    TOPIC_STAGE.exec(location)?.[1] === ledger.identifier.name && expiresAtMs < since
  const old = leases.filter(isOld)
  const positions = new Map<string, Positions>()
  for (const incarnation of new Set(old.flatMap(({ ranges = [] }) => ranges.map((one) => one.incarnation))))
    positions.set(incarnation, await ledgerPositions(deps, ledger, incarnation))
  return old.filter(({ ranges = [] }) =>
    ranges.every(
      ({ incarnation, partition, nextOffset }) =>
        (positions.get(incarnation)?.get(partition)?.next ?? 0) >= nextOffset,
    ),
  )
}
