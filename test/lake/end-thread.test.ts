import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { compiledEntry } from '../../engine/compiled-entry.js'
import { endThread } from '../../lake/land/end-thread.js'

/** Does nothing but make streams of zlib: where `terminate` ends it, it soon takes its process with it. */
const COMPRESSES = `
  const { parentPort } = require('node:worker_threads')
  const { gzip } = require('node:zlib')
  import(${JSON.stringify(compiledEntry('lake/land/end-thread').href)}).then(async ({ endWhenTold }) => {
    endWhenTold(parentPort)
    parentPort.postMessage('up')
    for (;;) await new Promise((resolve) => gzip('x', resolve))
  })
`

it('threads that are ended while they compress leave the process alone', async () => {
  for (let round = 0; round < 60; round += 1) {
    const threads = [1, 2].map(() => new Worker(COMPRESSES, { eval: true }))
    await Promise.all(threads.map((thread) => once(thread, 'message')))
    await new Promise((resolve) => setTimeout(resolve, round % 7))
    await Promise.all(threads.map(endThread))
    expect(threads.map(({ threadId }) => threadId)).toEqual([-1, -1])
    await endThread(threads[0]!)
  }
})
