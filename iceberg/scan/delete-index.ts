import type { DataFile, ManifestEntry } from '../spec/data-file.js'
import { partitionKey } from '../spec/partition-key.js'
import { compareValues } from '../spec/single-value.js'

/** Which delete files apply to a data file (Iceberg spec, "Scan Planning"). */
export interface DeleteIndex {
  deletesFor(entry: ManifestEntry): readonly DataFile[]
}

/** Column of a position delete file that holds the data files' paths. */
const FILE_PATH_ID = 2147483546

/** `entries` are the live delete files; `unpartitionedSpecs` are the ids of the specs without fields. */
export function buildDeleteIndex(
  entries: readonly ManifestEntry[],
  unpartitionedSpecs: ReadonlySet<number>,
): DeleteIndex {
  if (entries.length === 0) return { deletesFor: () => NONE }
  const global: ManifestEntry[] = []
  const byPartition = new Map<string, ManifestEntry[]>()
  const vectors = new Map<string, ManifestEntry[]>()
  for (const entry of entries) {
    const { file } = entry
    if (file.content === 'equality-deletes' && unpartitionedSpecs.has(file.specId)) global.push(entry)
    else if (isVector(file)) addTo(vectors, file.referencedDataFile ?? '', entry)
    else addTo(byPartition, partitionKey(file), entry)
  }
  return {
    deletesFor(data) {
      const applying = (candidates: readonly ManifestEntry[] | undefined): readonly DataFile[] =>
        (candidates ?? []).filter((candidate) => applies(candidate, data)).map((candidate) => candidate.file)
      const vector = applying(vectors.get(data.file.filePath))
      const inPartition = byPartition.size === 0 ? [] : applying(byPartition.get(partitionKey(data.file)))
      // A deletion vector already holds what older position deletes of its file said.
      const others =
        vector.length === 0 ? inPartition : inPartition.filter((file) => file.content !== 'position-deletes')
      return [...applying(global), ...others, ...vector]
    },
  }
}

const NONE: readonly DataFile[] = []

/** Position deletes reach files of their own commit, equality deletes only older ones. */
function applies(candidate: ManifestEntry, data: ManifestEntry): boolean {
  const { file, sequenceNumber } = candidate
  if (file.content === 'equality-deletes') return sequenceNumber > data.sequenceNumber
  return sequenceNumber >= data.sequenceNumber && mayReference(file, data.file.filePath)
}

function mayReference(file: DataFile, path: string): boolean {
  if (file.referencedDataFile !== undefined) return file.referencedDataFile === path
  const lower = file.lowerBounds?.get(FILE_PATH_ID)
  const upper = file.upperBounds?.get(FILE_PATH_ID)
  if (lower === undefined || upper === undefined) return true
  const bytes = Buffer.from(path)
  return compareValues('binary', bytes, lower) >= 0 && compareValues('binary', bytes, upper) <= 0
}

function isVector(file: DataFile): boolean {
  return file.content === 'position-deletes' && file.fileFormat === 'puffin'
}

function addTo(index: Map<string, ManifestEntry[]>, key: string, entry: ManifestEntry): void {
  const entries = index.get(key)
  if (entries === undefined) index.set(key, [entry])
  else entries.push(entry)
}
