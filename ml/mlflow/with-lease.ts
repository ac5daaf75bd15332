import { setTimeout as sleep } from 'node:timers/promises'
import { FirnError } from '../../schemas/error.js'
import type { MirrorStore } from '../registry/mirror-store.js'
import type { MlflowClient } from './mlflow-client.js'

const POLL_MS = 100

/**
 * Works on one subject of the server while no other process with this registry does: creating has no key there that would
 * keep two of them apart. Each request lengthens the lease, so that only a dead holder's runs out. Errors: FirnError `io`
 * where another holds it for longer than a request may take.
 */
export async function withLease<T>(
  client: MlflowClient,
  registry: MirrorStore,
  subject: string,
  work: (client: MlflowClient) => Promise<T>,
): Promise<T> {
  const { target, now, newUuid, timeoutMs } = client
  const holder = newUuid()
  const take = (): boolean =>
    registry.takeLease(target, subject, { holder, nowMs: now(), untilMs: now() + 2 * timeoutMs })
  for (let waitedMs = 0; !take(); waitedMs += POLL_MS) {
    if (waitedMs > timeoutMs) throw isHeld(subject)
    await sleep(POLL_MS)
  }
  try {
    return await work({
      ...client,
      async send(method, path, body) {
        // Lost where this process was held still: whoever has it now may be at work.
        if (!take()) throw isHeld(subject)
        return await client.send(method, path, body)
      },
    })
  } finally {
    registry.dropLease(target, subject, holder)
  }
}

function isHeld(subject: string): FirnError {
  return new FirnError('io', `another process is telling MLflow of ${subject}. It is tried again later.`)
}
