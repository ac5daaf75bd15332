/**
 * `run-contestant.js MODULE NAME COURSE`: runs one of the module's CONTESTANTS in this process alone, and prints what it
 * measured, with the process's peak of memory, as the last line. MODULE lies beside this file; COURSE is JSON.
 */
const [module = '', name = '', course = ''] = process.argv.slice(2)
type Contestant = (course: unknown) => Promise<object>
const { CONTESTANTS } = (await import(`./${module}.js`)) as { CONTESTANTS: Record<string, Contestant> }
const contestant = CONTESTANTS[name]
if (contestant === undefined) throw new Error(`there is no contestant "${name}"`)
const result = await contestant(JSON.parse(course))
console.log(JSON.stringify({ ...result, peakMb: process.resourceUsage().maxRSS / 1024 }))
process.exit(0)
