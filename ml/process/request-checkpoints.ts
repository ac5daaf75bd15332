import type { OnProgress } from '../../schemas/lake-deps.js'
import type { Checkpoints } from '../models/estimator.js'
import type { ChildMessage, ParentMessage } from './child-messages.js'

/** Saving may take this share of a training's time at most. */
const SHARE = 0.1

/**
 * Checkpoints as a child process has them: the parent loads and saves. A state that comes too soon after the last one is
 * not saved; one that could not be loaded or saved is told of, and the training goes on without it.
 */
export function requestCheckpoints(options: {
  readonly say: (message: ChildMessage) => void
  readonly onProgress: OnProgress
  readonly everyMs: number
}): Checkpoints {
  const waiting = new Map<number, (answer: Answer) => void>()
  process.on('message', (message) => {
    const answer = message as ParentMessage
    if (answer.kind === 'checkpoint') waiting.get(answer.id)?.(answer)
  })
  let requests = 0
  const request = async (message: (id: number) => ChildMessage, what: string): Promise<Answer> => {
    const id = ++requests
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve)
      options.say(message(id))
    })
    waiting.delete(id)
    if (answer.error !== undefined) {
      options.onProgress(
        `a checkpoint could not be ${what} (${answer.error}); the training goes on without it`,
      )
    }
    return answer
  }
  let nextMs = performance.now() + options.everyMs
  return {
    load: async () => (await request((id) => ({ kind: 'load-checkpoint', id }), 'loaded')).state,
    save: async (state) => {
      const startMs = performance.now()
      if (startMs < nextMs) return
      await request((id) => ({ kind: 'save-checkpoint', id, state }), 'saved')
      const endMs = performance.now()
      // With 0 each one is wanted.
      const restMs = options.everyMs === 0 ? 0 : (endMs - startMs) / SHARE
      nextMs = endMs + Math.max(options.everyMs, restMs)
    },
  }
}

type Answer = Extract<ParentMessage, { readonly kind: 'checkpoint' }>
