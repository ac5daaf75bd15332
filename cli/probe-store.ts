import type { FileIO } from '../iceberg/io/file-io.js'
import { joinLocation } from '../iceberg/io/location.js'
import { tryCreate } from '../iceberg/io/try-create.js'
import { FirnError } from '../schemas/error.js'

const RACERS = 8

/**
 * Does to a store all that a lake does, with objects under `_doctor/` that are gone afterwards. Throws where one of it
 * fails; `missing` says which guarantee the store lacks, and what follows from it.
 */
export async function probeStore(
  io: FileIO,
  warehouse: string,
  unique: string,
): Promise<{ readonly missing?: string }> {
  const folder = joinLocation(warehouse, '_doctor', unique)
  const written = joinLocation(folder, 'day=2020-01-01', 'a b+c%20é')
  const created = joinLocation(folder, 'created')
  try {
    await io.write(written, new Uint8Array([1, 2, 3]))
    const read = await io.read(written, { start: 1, end: 2 })
    if (read.length !== 1 || read[0] !== 2) throw broken(written, `gives ${String(read)} as its second byte`)
    const wins = await Promise.all(
      Array.from({ length: RACERS }, (_, n) => tryCreate(io, created, new Uint8Array([n]))),
    )
    const listed: string[] = []
    for await (const { location } of io.list(`${folder}/`)) listed.push(location)
    const lost = [written, created].filter((location) => !listed.includes(location))
    if (lost.length > 0) throw broken(folder, `lists no ${lost.join(', ')} although it was written`)
    const winners = wins.filter((won) => won).length
    return winners === 1 ? {} : { missing: notExclusive(warehouse, winners) }
  } finally {
    await Promise.all([io.delete(written), io.delete(created)])
  }
}

function notExclusive(warehouse: string, winners: number): string {
  return (
    `${warehouse}: no create-if-absent (${winners} of ${RACERS} writers made one object). Commits stay safe, since the ` +
    'catalog decides them; two runs of one batch at the same moment may do their work twice'
  )
}

function broken(location: string, what: string): FirnError {
  return new FirnError('config', `${location} ${what}: this store can't hold a lake. Choose another.`)
}
