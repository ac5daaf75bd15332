// Opens one file by a file cache of its own and says what it got: `node cache-process.mjs <json>`. With `dieAfter` it
// kills itself in the middle of the download.
import { randomUUID } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileCache } from '../../dist/engine/files/file-cache.js'
import { LocalFileIO } from '../../dist/iceberg/io/local.js'

const { directory, source, log, sizeBytes, dieAfter, pauseMs } = JSON.parse(process.argv[2])
const local = new LocalFileIO()
let reads = 0

/** A store whose objects lie in a folder: far://x is <source>/x. */
const io = {
  async read(location, range) {
    appendFileSync(log, `${process.pid} ${location}\n`)
    if (++reads > dieAfter) {
      await sleep(50)
      process.kill(process.pid, 'SIGKILL')
      await sleep(10_000)
    }
    await sleep(pauseMs)
    return local.read(location.replace('far:/', source), range)
  },
  stat: (location) => local.stat(location.replace('far:/', source)),
}

const cache = new FileCache({ io, directory, maxBytes: 1e12, newUuid: randomUUID })
const lease = cache.lease()
const location = 'far://file.parquet'
const path = (await lease.open([{ location, sizeBytes }])).get(location)
console.log(readFileSync(path).equals(readFileSync(`${source}/file.parquet`)) ? 'whole' : 'broken')
lease.release()
