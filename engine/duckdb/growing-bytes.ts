/** Bytes that are appended to and handed over: room is doubled, and guessed by what was handed over last. */
export class Bytes {
  bytes = new Uint8Array(0)
  length = 0
  private guess = 1024

  /** `reuse`: what was handed over is written over by what comes next. */
  constructor(private readonly reuse: boolean) {}

  /** Makes room for so many more, whose content is whatever memory held; returns where they begin. */
  grow(count: number): number {
    const at = this.length
    this.length += count
    if (this.length > this.bytes.length) {
      const room = Math.max(this.length, this.bytes.length === 0 ? this.guess : this.bytes.length * 2)
      // Rounded up so that arrays of 8-byte values may lie over it.
      const larger = new Uint8Array(Buffer.allocUnsafeSlow(Math.ceil(room / 8) * 8).buffer)
      larger.set(this.bytes.subarray(0, at))
      this.bytes = larger
    }
    return at
  }

  growZeroed(count: number): void {
    const at = this.grow(count)
    this.bytes.fill(0, at, at + count)
  }

  take(): Uint8Array<ArrayBuffer> {
    const taken = this.bytes.subarray(0, this.length)
    this.guess = Math.max(1024, this.length)
    if (!this.reuse) this.bytes = new Uint8Array(0)
    this.length = 0
    return taken
  }
}
