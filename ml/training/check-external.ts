import { z } from 'zod'
import { isIcebergError } from '../../iceberg/error.js'
import { joinLocation } from '../../iceberg/io/location.js'
import { canonicalJson } from '../../schemas/canonical-json.js'
import { FirnError } from '../../schemas/error.js'
import type { LakeDeps, RunControl } from '../../schemas/lake-deps.js'
import type { TrainedModel, TrainingRequest } from '../../schemas/model-messages.js'
import type { StoredModel } from '../evaluation/stored-model.js'
import { runChild } from '../process/run-child.js'
import type { CheckJob } from './check-child.js'
import { withDataset } from './fit-in-child.js'
import { readStoredModel, type ModelArtifact } from './model-artifact.js'
import { trainedShape } from './trained-shape.js'

/**
 * What a trainer outside of Firn handed in, once it has proved to be a model of just this training that Firn scores as its
 * trainer does. Errors: FirnError `contract-broken`, with every difference.
 */
export async function checkExternal(
  deps: LakeDeps,
  request: TrainingRequest,
  answer: unknown,
  control: RunControl = {},
): Promise<TrainedModel> {
  const trained = readAnswer(answer)
  const { artifact, stored } = await readModel(deps, trained)
  const problems = differences(request, trained, artifact)
  if (problems.length > 0) throw refused(trained, problems)
  await withDataset(deps, request, async (path) => {
    const job: CheckJob = {
      ...{ path, stored, orderedDigest: request.dataset.orderedDigest },
      task: request.pin.settings.task,
      ...(artifact.measured === undefined ? {} : { measured: artifact.measured }),
    }
    await runChild('ml/training/check-child', job, { env: trained.environment.threads, ...control })
  })
  return trained
}

function readAnswer(answer: unknown): TrainedModel {
  const parsed = trainedShape.safeParse(answer)
  if (parsed.success) return parsed.data
  throw new FirnError(
    'contract-broken',
    `the trainer's answer is not a trained model: ${z.prettifyError(parsed.error)}. Correct the trainer; docs/external-trainers.md says what it returns.`,
  )
}

async function readModel(
  deps: LakeDeps,
  trained: TrainedModel,
): Promise<{ readonly artifact: ModelArtifact; readonly stored: StoredModel }> {
  const { artifactLocation: location } = trained
  const folder = `${joinLocation(deps.warehouse, 'ml', 'models')}/`
  if (!location.startsWith(folder) || location.includes('..') || !location.endsWith('/model.json')) {
    throw refused(trained, [`a model lies in a folder of its own under ${folder}, as model.json`])
  }
  try {
    return await readStoredModel(deps, location)
  } catch (error) {
    if (isIcebergError(error, 'not-found'))
      throw refused(trained, ['it, or weights.bin beside it, is missing'])
    if (error instanceof SyntaxError) throw refused(trained, [`it is no JSON: ${error.message}`])
    throw error
  }
}

/** Kinds whose models are arrays that docs/model-format.md describes. */
const SCORED_KINDS: readonly string[] = ['gbdt', 'random-forest', 'logistic', 'ridge']

function differences(
  { pin, dataset }: TrainingRequest,
  trained: TrainedModel,
  artifact: ModelArtifact,
): readonly string[] {
  const recorded = { ...artifact.trained, artifactLocation: trained.artifactLocation }
  const same = (name: string, found: unknown, wanted: unknown): readonly string[] =>
    canonicalJson(found ?? null) === canonicalJson(wanted)
      ? []
      : [`its ${name} is not the one that was asked for`]
  const { kind } = artifact.header.estimator
  return [
    ...same('pin', artifact.pin, pin),
    ...same('data set', artifact.dataset, dataset),
    ...(canonicalJson(recorded) === canonicalJson(trained)
      ? []
      : ['its member trained is not what the trainer returned']),
    ...(artifact.weightsDigest === trained.weightsDigest
      ? []
      : ['its weights digest is not the one returned']),
    ...(artifact.header.task === pin.settings.task ? [] : [`its task is ${artifact.header.task}`]),
    ...(SCORED_KINDS.includes(kind)
      ? []
      : [`its estimator is of kind ${kind}, and Firn scores ${SCORED_KINDS.join(', ')} of other trainers`]),
  ]
}

function refused({ artifactLocation }: TrainedModel, problems: readonly string[]): FirnError {
  return new FirnError(
    'contract-broken',
    `the trainer's model ${artifactLocation} can't be taken: ${problems.join('; ')}. Correct the trainer (docs/external-trainers.md) and train again.`,
    { context: { problems } },
  )
}
