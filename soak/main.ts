import { parseArgs } from 'node:util'
import { soakIceberg } from './iceberg/soak-iceberg.js'

/** `npm run soak iceberg -- [--histories N] [--seed S] [--json]`: exit code 1 where anything was wrong. */
const { values, positionals } = parseArgs({
  options: { histories: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } },
  allowPositionals: true,
})
const name = positionals[0] ?? 'iceberg'
const histories = Number(values.histories ?? 2000)
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
if (name !== 'iceberg' || !Number.isInteger(histories) || histories < 1 || !Number.isInteger(seed)) {
  console.error('usage: npm run soak iceberg -- [--histories N] [--seed S] [--json]')
  process.exit(2)
}
console.error(`${histories} histories from seed ${seed} on; one of them again: --histories 1 --seed S`)
const result = await soakIceberg({ histories, seed, report: (text) => console.error(text) })
if (values.json === true) console.log(JSON.stringify(result))
else console.table(result)
const { lost, doubled, deletedLive, resurrected } = result
process.exitCode = lost + doubled + deletedLive + resurrected === 0 ? 0 : 1
