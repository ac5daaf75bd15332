import type { AnswerLog, FinalAnswer, KeptAnswer } from './answer-log.js'

const MOST_ANSWERS = 1000

/** The in-memory twin, for catalogs without a database. */
export class MemoryAnswerLog implements AnswerLog {
  readonly #answers = new Map<string, KeptAnswer>()

  start(key: string, fingerprint: string): Promise<KeptAnswer | undefined> {
    const known = this.#answers.get(key)
    if (known === undefined) this.#answers.set(key, { fingerprint })
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MOST_ANSWERS) break
      this.#answers.delete(oldest)
    }
    return Promise.resolve(known)
  }

  finish(key: string, final: FinalAnswer): Promise<void> {
    const known = this.#answers.get(key)
    if (known !== undefined) this.#answers.set(key, { ...known, final })
    return Promise.resolve()
  }

  forget(key: string): Promise<void> {
    if (this.#answers.get(key)?.final === undefined) this.#answers.delete(key)
    return Promise.resolve()
  }
}
