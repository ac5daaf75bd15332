import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchRow } from './bench-row.js'
import { benchAppends } from './iceberg/appends.js'
import { benchCommits } from './iceberg/commits.js'
import { Processes } from './iceberg/processes.js'
import { benchExpiry, benchMaintenance, benchOrphans } from './iceberg/maintenance.js'
import { benchPlans } from './iceberg/plans.js'
import { benchUpserts } from './iceberg/upserts.js'
import { benchWrites } from './iceberg/writes.js'

const PARTS = [
  benchAppends,
  benchPlans,
  benchWrites,
  benchUpserts,
  benchCommits,
  benchMaintenance,
  benchExpiry,
  benchOrphans,
]

/**
 * The figures of the table format beside those of PyIceberg, Java's Iceberg, Spark's procedures and raw DuckDB, all over
 * one catalog in one run. Every measurement is a process of its own, so that its peak of memory is its own too.
 */
export async function benchIceberg(
  options: { readonly quick: boolean; readonly log: (text: string) => void },
  parts: readonly (typeof PARTS)[number][] = PARTS,
): Promise<BenchRow[]> {
  const root = mkdtempSync(join(tmpdir(), 'firn-bench-iceberg-'))
  try {
    const processes = new Processes(root)
    const rows: BenchRow[] = []
    for (const part of parts) {
      options.log(`${part.name} …`)
      const found = await part({ ...options, processes })
      for (const { work, ours, unit, peer } of found)
        options.log(`  ${work}: ${ours} ${unit}${peer === null ? '' : `, peer ${peer} ${unit}`}`)
      rows.push(...found)
    }
    return rows
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** Of these only maintenance, beside Spark's procedures on a copy of the same table. */
export function benchIcebergMaintenance(options: Parameters<typeof benchIceberg>[0]): Promise<BenchRow[]> {
  return benchIceberg(options, [benchMaintenance])
}
