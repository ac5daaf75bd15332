import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchRow } from './bench-row.js'
import { benchBackfill } from './pipeline/backfill.js'
import { withBenchServer } from './pipeline/bench-server.js'
import { benchLongRange } from './pipeline/long-range.js'
import { benchOverhead } from './pipeline/overhead.js'
import { benchScaleOut } from './pipeline/scale-out.js'

/** What Temporal costs a night, how fast dates are filled in, and a large batch over several worker processes. */
export async function benchPipeline(options: {
  readonly quick: boolean
  readonly log: (text: string) => void
}): Promise<BenchRow[]> {
  const root = mkdtempSync(join(tmpdir(), 'firn-bench-pipeline-'))
  try {
    return await withBenchServer(async (address) => [
      ...(await benchOverhead({ ...options, address, home: join(root, 'overhead') })),
      ...(await benchBackfill({ ...options, address, home: join(root, 'backfill') })),
      ...(await benchLongRange({ ...options, address, home: join(root, 'long-range') })),
      ...(await benchScaleOut({ ...options, address, home: join(root, 'scale-out') })),
    ])
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
