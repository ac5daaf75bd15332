import { crc32 } from '../../iceberg/format/crc32.js'

/** Which form the containers of a bitmap take: `smallest` as writers choose, `runs` all runs. */
type Form = 'smallest' | 'runs'

/** Encodes positions as the Puffin spec says of `deletion-vector-v1`; the product writes none. */
export function deletionVector(positions: Iterable<number>, form: Form = 'smallest'): Uint8Array {
  const body = Buffer.concat([Buffer.from([0xd1, 0xd3, 0x39, 0x64]), roaring(positions, form)])
  return framed(body)
}

export function framed(body: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(body.length + 8)
  frame.writeUInt32BE(body.length, 0)
  frame.set(body, 4)
  frame.writeUInt32BE(crc32(body), body.length + 4)
  return frame
}

export function roaring(positions: Iterable<number>, form: Form = 'smallest'): Buffer {
  const byKey = new Map<number, Map<number, number[]>>()
  for (const position of [...new Set(positions)].sort((a, b) => a - b)) {
    const key = Math.floor(position / 2 ** 32)
    const low = position % 2 ** 32
    const high = Math.floor(low / 0x10000)
    const containers = byKey.get(key) ?? new Map<number, number[]>()
    byKey.set(key, containers)
    const values = containers.get(high) ?? []
    values.push(low % 0x10000)
    containers.set(high, values)
  }
  const parts = [ints(byKey.size, 0)]
  for (const [key, containers] of byKey) parts.push(ints(key), bitmap(containers, form))
  return Buffer.concat(parts)
}

function bitmap(containers: ReadonlyMap<number, readonly number[]>, form: Form): Buffer {
  const size = containers.size
  const withRuns = form === 'runs'
  const parts = withRuns
    ? [ints(12347 + ((size - 1) << 16)), Buffer.alloc((size + 7) >> 3, 0xff)]
    : [ints(12346, size)]
  for (const [high, values] of containers) parts.push(shorts(high, values.length - 1))
  const bodies = [...containers.values()].map((values) => (withRuns ? runsOf(values) : plain(values)))
  // Readers need no offsets; they are there with the right length.
  if (!withRuns || size >= 4) parts.push(Buffer.alloc(size * 4))
  return Buffer.concat([...parts, ...bodies])
}

function plain(values: readonly number[]): Buffer {
  if (values.length <= 4096) return shorts(...values)
  const bits = Buffer.alloc(8192)
  for (const value of values) bits[value >> 3]! |= 1 << (value & 7)
  return bits
}

function runsOf(values: readonly number[]): Buffer {
  const runs: [number, number][] = []
  for (const value of values) {
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] + 1 === value) last[1]++
    else runs.push([value, 0])
  }
  return shorts(runs.length, ...runs.flat())
}

function ints(...values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer)
}

function shorts(...values: readonly number[]): Buffer {
  return Buffer.from(Uint16Array.from(values).buffer)
}
