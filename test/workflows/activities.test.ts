import { CancelledFailure } from '@temporalio/common'
import { MockActivityEnvironment } from '@temporalio/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { toFailure } from '../../activities/map-error.js'
import { runCore } from '../../activities/run-core.js'
import { EngineError } from '../../engine/engine.js'
import { IcebergError, type IcebergErrorKind } from '../../iceberg/error.js'
import { FirnError, type FirnErrorKind } from '../../schemas/error.js'
import { installRuntime } from '../../workers/runtime.js'

beforeAll(() => installRuntime({ level: 'error', shutdownSignals: [] }))

describe('errors of the cores on their way through Temporal', () => {
  it.each<[FirnErrorKind, boolean]>([
    ['invalid-input', true],
    ['not-found', true],
    ['config', true],
    ['contract-broken', true],
    ['raw-differs', true],
    ['source-changed', true],
    ['offsets-lost', true],
    ['check-failed', true],
    ['definition-changed', true],
    ['training-failed', true],
    ['stale-range', false],
    ['stage-expired', false],
    ['rebuild-needed', false],
    ['io', false],
  ])('FirnError %s: final is %s', (kind, nonRetryable) => {
    expect(toFailure(new FirnError(kind, 'm'))).toMatchObject({ type: kind, nonRetryable, message: 'm' })
  })

  it.each<[IcebergErrorKind, boolean]>([
    ['commit-conflict', false],
    ['commit-unknown', false],
    ['io', false],
    ['commit-rejected', true],
    ['rebuild-needed', true],
    ['data-invalid', true],
    ['not-found', true],
    ['already-exists', true],
    ['unsupported', true],
    ['invalid-argument', true],
  ])('IcebergError %s: final is %s', (kind, nonRetryable) => {
    expect(toFailure(new IcebergError(kind, 'm'))).toMatchObject({ type: kind, nonRetryable })
  })

  it.each([
    ['sql-invalid', true],
    ['io', false],
  ] as const)('EngineError %s: final is %s', (kind, nonRetryable) => {
    expect(toFailure(new EngineError(kind, 'm'))).toMatchObject({ type: kind, nonRetryable })
  })

  it('an error that is not ours is tried again, and said to be unexpected', () => {
    expect(toFailure(new TypeError('x is undefined'))).toMatchObject({
      type: 'unexpected',
      nonRetryable: false,
      message: "unexpected TypeError: x is undefined. If it stays, report it with the worker's log.",
    })
  })

  it('context crosses as plain JSON: 64-bit ids as text, no secrets', () => {
    const failure = toFailure(
      new IcebergError('io', 'GET https://user:hunter2@store/x failed, Authorization: Bearer abcdefghijk', {
        context: {
          snapshotId: 9007199254740993n,
          secretAccessKey: 'hunter2',
          url: 'https://a:hunter2@b',
          n: [1],
        },
      }),
    )
    expect(failure).toMatchObject({
      details: [{ snapshotId: '9007199254740993', secretAccessKey: '***', url: 'https://***@b', n: [1] }],
    })
    expect(JSON.stringify([failure.message, failure])).not.toMatch(/hunter2|abcdefghijk/)
  })
})

describe('the shell around a core', () => {
  it('heartbeats while the core runs, with its last progress', async () => {
    const env = new MockActivityEnvironment()
    const beats: unknown[] = []
    env.on('heartbeat', (details: unknown) => beats.push(details))
    const result = await env.run(() =>
      runCore(async ({ onProgress }) => {
        onProgress('table a')
        await new Promise((resolve) => setTimeout(resolve, 2300))
        return 7
      }),
    )
    expect(result).toBe(7)
    expect(beats).toEqual(['', 'table a'])
  })

  it('hands the core the cancellation, and a core that stops for it counts as cancelled', async () => {
    const env = new MockActivityEnvironment()
    const run = env.run(() =>
      runCore(
        ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(new FirnError('cancelled', 'stopped')))
          }),
      ),
    )
    env.cancel('CANCELLED')
    await expect(run).rejects.toBeInstanceOf(CancelledFailure)
  })

  it('a core that fails while it is being cancelled still says why', async () => {
    const env = new MockActivityEnvironment()
    env.cancel('CANCELLED')
    const run = env.run(() => runCore(() => Promise.reject(new FirnError('raw-differs', 'r'))))
    await expect(run).rejects.toMatchObject({ type: 'raw-differs' })
  })
})
