import { parseArgs } from 'node:util'
import { benchIceberg, benchIcebergMaintenance } from './iceberg.js'
import type { LandingBenchOptions } from './landing.js'
import { benchLanding } from './landing.js'
import { benchMl, type MlBenchOptions } from './ml.js'
import { benchPipeline } from './pipeline.js'
import { benchQuantum } from './quantum.js'
import { benchSpark } from './spark.js'
import type { BenchRow } from './bench-row.js'

/**
 * `npm run bench [-- quantum | iceberg | maintenance | landing | spark | ml [PART…]] [-- --quick] [-- --json]`: prints rows of figures, ratios
 * from one run. Without a name all but `spark`, which needs one (docs/spark.md). What follows `ml` are parts of it (`bench/ml.ts`). Landing also takes `--messages N` and `--bytes N` (of one message).
 */
const { values, positionals } = parseArgs({
  options: {
    json: { type: 'boolean' },
    quick: { type: 'boolean' },
    messages: { type: 'string' },
    bytes: { type: 'string' },
  },
  allowPositionals: true,
})
const BENCHES: Readonly<
  Record<string, (options: LandingBenchOptions & MlBenchOptions) => Promise<BenchRow[]>>
> = {
  pipeline: benchPipeline,
  quantum: benchQuantum,
  iceberg: benchIceberg,
  landing: benchLanding,
  ml: benchMl,
  spark: benchSpark,
}
/** Parts of the others, which run by name only. */
const PARTS_BY_NAME: typeof BENCHES = { maintenance: benchIcebergMaintenance }
const load = {
  ...(values.messages !== undefined && { messages: Number(values.messages) }),
  ...(values.bytes !== undefined && { sizeBytes: Number(values.bytes) }),
}
const [first, ...rest] = positionals
const parts = first === 'ml' ? rest : []
const names =
  first === undefined
    ? Object.keys(BENCHES).filter((name) => name !== 'spark')
    : first === 'ml'
      ? [first]
      : positionals
const rows: BenchRow[] = []
for (const name of names) {
  const bench = BENCHES[name] ?? PARTS_BY_NAME[name]
  if (bench === undefined) {
    console.error(
      `there is no bench "${name}"; there are: ${[...Object.keys(BENCHES), ...Object.keys(PARTS_BY_NAME)].join(', ')}`,
    )
    process.exit(2)
  }
  const log = (text: string) => {
    console.error(text)
  }
  rows.push(...(await bench({ quick: values.quick === true, ...load, parts, log })))
}
if (values.json === true) console.log(JSON.stringify(rows, null, 2))
else
  console.table(
    rows.map(({ work, ours, peer, ratio, unit, peerName }) => ({ work, ours, unit, peer, ratio, peerName })),
  )
