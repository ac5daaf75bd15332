import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { FileLandingPlan } from '../../schemas/messages.js'
import { parseDocumentSchema } from '../../schemas/table-schema.js'
import { ensureLandingTables } from '../tables/ensure-tables.js'
import type { LandingPlanFile } from './landing-plan-file.js'
import { readPlanFile } from './landing-plan-file.js'
import { LandingWriter, type WritableObject } from './landing-writer.js'
import type { PackedObject, PackTask } from './pack-files.js'
import { packInThread } from './pack-in-thread.js'
import { maxDocumentBytesOf, sourceOf } from './source-of.js'
import type { StagedLanding } from './staged-landing.js'

/** Payload after which a raw object is closed: small enough that a batch is several, which threads read side by side. */
const OBJECT_BYTES = 8 * 1024 * 1024

/** Reads exactly the planned files. Errors: `stale-range` where the plan or a file of it is another one now. */
export async function fetchFiles(
  deps: LakeDeps,
  plan: FileLandingPlan,
  { onProgress, signal }: RunControl,
): Promise<StagedLanding> {
  const planned = await readPlanFile(deps.catalog.io, plan.planLocation ?? '')
  if (planned?.first !== plan.first || planned.end !== plan.end) {
    throw new FirnError('stale-range', `the plan at ${plan.planLocation} is gone or another one; land again`)
  }
  const { deadLetters } = await ensureLandingTables(deps, plan.source)
  const writer = new LandingWriter(deps, plan, deadLetters)
  for await (const object of packInThread(packTask(deps, planned), signal)) {
    await writer.take(writable(object))
    onProgress?.(`landed ${object.end - plan.first} of ${plan.end - plan.first} records of ${plan.source}`)
  }
  return await writer.finish()
}

function packTask(deps: LakeDeps, planned: LandingPlanFile): PackTask {
  const { definition } = sourceOf(deps, planned)
  return {
    folder: planned.from,
    ...(deps.sourceStore === undefined ? {} : { store: deps.sourceStore }),
    files: planned.files,
    topic: definition.topic,
    fields: parseDocumentSchema(definition.schema).fields,
    identity: definition.identity,
    contract: definition.contract ?? 'evolve',
    ...(definition.eventTime === undefined ? {} : { eventTime: definition.eventTime }),
    maxDocumentBytes: maxDocumentBytesOf(definition),
    objectBytes: OBJECT_BYTES,
  }
}

function writable(object: PackedObject): WritableObject {
  const ranges = object.parts.map(({ file, first, end, records, deadLetters, bytes }) => {
    const { path, size, mtimeMs, etag } = file
    const times = { minEventTimeMs: mtimeMs, maxEventTimeMs: mtimeMs }
    return {
      first,
      nextOffset: end,
      records,
      deadLetters,
      bytes,
      source: { path, size, mtimeMs, etag },
      ...times,
    }
  })
  const letters = object.deadLetters.map((letter) => {
    const part = object.parts.find(({ file }) => file.path === letter.path)
    return part === undefined ? letter : { ...letter, timestampMs: part.file.mtimeMs }
  })
  return { ...object, partition: 0, ranges, deadLetters: letters }
}
