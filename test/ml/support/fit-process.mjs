// Fits networks in a child process and tells what became of them; test/ml/nets-process.test.ts pins it to one core.
import { runChild } from '../../../dist/ml/process/run-child.js'

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const { fits, env } = JSON.parse(Buffer.concat(chunks), (_key, value) =>
  value?.floats === undefined ? value : Float64Array.from(value.floats),
)
const results = await runChild(new URL('fit-child.mjs', import.meta.url), { fits }, { env })
console.log(JSON.stringify(results.map(({ weights: _, ...rest }) => rest)))
