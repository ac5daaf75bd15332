/** Items that are started ahead of the one whose result is given out. */
const READ_AHEAD = 8

/**
 * Runs `start` for a few items ahead of the one whose result is given out; results keep the items' order. `patient`: the
 * first ones one by one, for a reader who may have enough soon.
 */
export async function* mapAhead<T, R extends object>(
  items: readonly T[],
  start: (item: T) => Promise<R>,
  { patient = false }: { readonly patient?: boolean } = {},
): AsyncIterable<{ readonly item: T; readonly result: R }> {
  const running: Promise<R>[] = []
  const waiting = items.values()
  const startNext = (): void => {
    const next = waiting.next()
    if (next.done === true) return
    const started = start(next.value)
    // A failure is thrown where its turn comes; it must not count as unhandled before.
    started.catch(() => undefined)
    running.push(started)
  }
  for (let ahead = 0; ahead < (patient ? 1 : READ_AHEAD); ahead++) startNext()
  for (const item of items) {
    const result = await running.shift()
    if (!patient) startNext()
    if (result !== undefined) yield { item, result }
    // Whoever is still asking reads on, twice as far each time.
    if (patient) for (let more = 0; running.length < READ_AHEAD && more < 2; more++) startNext()
  }
}
