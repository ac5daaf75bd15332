import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { WorkflowHandle } from '@temporalio/client'
import { temporal } from '@temporalio/proto'

type History = temporal.api.history.v1.History
const { History } = temporal.api.history.v1

/** Folder of what workers of this version and of earlier ones have done. */
export const historiesFolder = join(import.meta.dirname, '..', '..', 'histories')

export function readHistory(file: string): History {
  return History.decode(readFileSync(join(historiesFolder, file)))
}

export function isRecorded(name: string): boolean {
  return existsSync(join(historiesFolder, `${name}.binpb`))
}

/** Keeps what a workflow did, without what it says of the machine. */
export async function recordHistory(
  name: string,
  handle: Pick<WorkflowHandle, 'fetchHistory'>,
): Promise<void> {
  const history = anonymous(await handle.fetchHistory())
  writeFileSync(join(historiesFolder, `${name}.binpb`), History.encode(history).finish())
}

/** A recording says nothing of the machine that it was made on: no process names, no stacks with paths. */
function anonymous<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const fields = value as Record<string, unknown>
  for (const [name, field] of Object.entries(fields)) {
    if (name === 'stackTrace') fields[name] = ''
    else if (typeof field === 'string' && /^\d+@/.test(field)) fields[name] = 'recorder'
    else anonymous(field)
  }
  return value
}
