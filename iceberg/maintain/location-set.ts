const HALF = 2 ** 21

/**
 * A set of texts that keeps 53 bits of each, in 8 to 16 bytes: a million locations take 16 MB. It never says no of what was
 * added; of what was not it says yes once in some 10^15 divided by its size. To a clean-up a wrong yes spares a file.
 */
export class LocationSet {
  #slots = new Float64Array(1024)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** False where it was there already. */
  add(text: string): boolean {
    if (this.#size * 2 >= this.#slots.length) this.#grow()
    const hash = hashOf(text)
    const slot = slotOf(this.#slots, hash)
    if (this.#slots[slot] === hash) return false
    this.#slots[slot] = hash
    this.#size += 1
    return true
  }

  has(text: string): boolean {
    const hash = hashOf(text)
    return this.#slots[slotOf(this.#slots, hash)] === hash
  }

  #grow(): void {
    const larger = new Float64Array(this.#slots.length * 2)
    for (const hash of this.#slots) if (hash !== 0) larger[slotOf(larger, hash)] = hash
    this.#slots = larger
  }
}

/** Where the hash stands, or the free slot (0) that it would take. The length is a power of two. */
function slotOf(slots: Float64Array, hash: number): number {
  const mask = slots.length - 1
  let slot = (hash % 4294967296) & mask
  while (slots[slot] !== 0 && slots[slot] !== hash) slot = (slot + 1) & mask
  return slot
}

/** cyrb53: two 32-bit hashes that mix each other; 0 stands for a free slot, so it is never given out. */
function hashOf(text: string): number {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * ((low >>> 0) % HALF) + (high >>> 0) || 1
}
