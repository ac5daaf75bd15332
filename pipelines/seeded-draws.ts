/** Random draws that depend on nothing but their seed: the same on every machine, 2^32 streams a seed and more. */
export interface SeededDraws {
  /** In [0, 1), 53 bits. */
  uniform(): number
  /** In [from, to). */
  between(from: number, to: number): number
  /** Whole number in [0, end). */
  below(end: number): number
  pick<T>(items: readonly [T, ...T[]]): T
  /** Mean 0, deviation 1. */
  normal(): number
  /** Exact for any mean; takes time in proportion to it. */
  poisson(mean: number): number
}

/** Streams of one seed with other names are independent of each other. Generator: sfc32 (PractRand), 128 bits of state. */
export function seededDraws(seed: number, ...stream: readonly (string | number)[]): SeededDraws {
  const next = sfc32([seed, ...stream].join('/'))
  const uniform = (): number => ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000
  const below = (end: number): number => Math.floor(uniform() * end)
  return {
    uniform,
    between: (from, to) => from + (to - from) * uniform(),
    below,
    pick: <T>(items: readonly [T, ...T[]]) => items[below(items.length)] ?? items[0],
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    poisson: (mean) => poisson(uniform, mean),
  }
}

/** Beyond this mean exp(−mean) comes near to 0: a sum of two draws of half the mean is the same. */
const MEAN_MAX = 500

function poisson(uniform: () => number, mean: number): number {
  if (mean > MEAN_MAX) return poisson(uniform, mean / 2) + poisson(uniform, mean / 2)
  const least = Math.exp(-mean)
  let count = 0
  for (let product = uniform(); product > least; product *= uniform()) count += 1
  return count
}

function sfc32(name: string): () => number {
  let [a, b, c, counter] = [hash(name, 1), hash(name, 2), hash(name, 3), 1]
  const next = (): number => {
    const result = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + result
    return result
  }
  for (let i = 0; i < 15; i++) next()
  return next
}

/** FNV-1a with the finish of MurmurHash3. */
function hash(text: string, salt: number): number {
  let value = 0x811c9dc5 ^ salt
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return value ^ (value >>> 16)
}
