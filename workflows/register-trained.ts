import type { TrainModelResult } from '../schemas/model-messages.js'
import { control } from './activity-groups.js'
import type { Progress } from './progress.js'
import { runInfo } from './run-info.js'

export const REGISTER_STEPS = ['register', 'mirror'] as const

/** Registers what was trained and tells the tracking server; returns the version. */
export async function registerTrained(
  { pin, dataset, trained, runId }: TrainModelResult,
  progress: Progress,
): Promise<number> {
  const summary = `${pin.pipeline} ${pin.model} at ${pin.tag}`
  const version = await progress.step(
    'register',
    () =>
      control.registerVersion.executeWithOptions({ summary }, [
        { pin, dataset, trained, runId, run: runInfo() },
      ]),
    (registered) => `version ${registered}`,
  )
  await progress.step(
    'mirror',
    () => control.mirrorRegistry.executeWithOptions({ summary }, []),
    (mirrored) => mirrored.note,
  )
  return version
}
