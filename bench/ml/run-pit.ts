import type { PitCourse } from './pit-contestants.js'
import { PIT_CONTESTANTS } from './pit-contestants.js'

/** `run-pit.js NAME COURSE`: prints what it measured, and this process's peak of memory, as its last line. */
const [name = '', course = ''] = process.argv.slice(2)
const contestant = PIT_CONTESTANTS[name]
if (contestant === undefined) throw new Error(`there is no contestant "${name}"`)
const result = await contestant(JSON.parse(course) as PitCourse)
console.log(JSON.stringify({ ...result, peakMb: process.resourceUsage().maxRSS / 1024 }))
process.exit(0)
