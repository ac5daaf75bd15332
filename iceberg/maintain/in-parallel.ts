/** Runs `work` over the items, at most `atOnce` at a time, and stops at the first error. */
export async function inParallel<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items[Symbol.iterator]()
  const state = { hasFailed: false }
  const worker = async (): Promise<void> => {
    for (let next = waiting.next(); next.done !== true && !state.hasFailed; next = waiting.next()) {
      try {
        await work(next.value)
      } catch (error) {
        state.hasFailed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
