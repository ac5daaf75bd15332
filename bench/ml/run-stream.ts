import { STREAM_CONTESTANTS } from './stream-contestants.js'

/** `run-stream.js NAME FOLDER ROWS`: prints what it measured, and this process's peak of memory, as its last line. */
const [name = '', folder = '', rows = ''] = process.argv.slice(2)
const contestant = STREAM_CONTESTANTS[name]
if (contestant === undefined) throw new Error(`there is no contestant "${name}"`)
const result = await contestant(folder, Number(rows))
console.log(JSON.stringify({ ...result, peakMb: process.resourceUsage().maxRSS / 1024 }))
process.exit(0)
