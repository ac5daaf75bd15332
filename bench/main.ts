import { parseArgs } from 'node:util'
import { benchIceberg } from './iceberg.js'
import { benchQuantum } from './quantum.js'
import type { BenchRow } from './bench-row.js'

/** `npm run bench [-- quantum | iceberg] [-- --quick] [-- --json]`: prints rows of figures, ratios from one run. */
const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' } },
  allowPositionals: true,
})
const BENCHES: Readonly<
  Record<string, (options: { quick: boolean; log: (text: string) => void }) => Promise<BenchRow[]>>
> = { quantum: benchQuantum, iceberg: benchIceberg }
const names = positionals.length === 0 ? Object.keys(BENCHES) : positionals
const rows: BenchRow[] = []
for (const name of names) {
  const bench = BENCHES[name]
  if (bench === undefined) {
    console.error(`there is no bench "${name}"; there are: ${Object.keys(BENCHES).join(', ')}`)
    process.exit(2)
  }
  rows.push(...(await bench({ quick: values.quick === true, log: (text) => console.error(text) })))
}
if (values.json === true) console.log(JSON.stringify(rows, null, 2))
else
  console.table(
    rows.map(({ work, ours, peer, ratio, unit, peerName }) => ({ work, ours, unit, peer, ratio, peerName })),
  )
