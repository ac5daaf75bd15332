import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildDataset } from '../../ml/datasets/build-dataset.js'
import { loadTrainingTable } from '../../ml/datasets/load-training-table.js'
import type { TrainingTable } from '../../ml/datasets/training-table.js'
import { pinTraining } from '../../ml/training/pin-training.js'
import { unpackSample } from '../../pipelines/quantum/sample/unpack-sample.js'
import type { EstimatorDefinition, ModelDefinition } from '../../schemas/model-definitions.js'
import type { TrainingPin } from '../../schemas/model-messages.js'
import { readConfig } from '../../workers/config.js'
import { createLakeDeps } from '../../workers/create-deps.js'
import { runNight } from '../run-night.js'

const PIPELINE = 'quantum'

/** What a model of the quantum pipeline learns from, over all of the 150 runs. */
export interface QuantumTable {
  readonly model: string
  readonly definition: Pick<ModelDefinition, 'task' | 'offset'>
  readonly estimators: Readonly<Record<string, EstimatorDefinition>>
  readonly table: TrainingTable
}

/** Lands the sample, builds its tables and gives the data set of each model, as a training without a split gets it. */
export async function quantumTables(): Promise<readonly QuantumTable[]> {
  const home = mkdtempSync(join(tmpdir(), 'firn-bench-quality-'))
  const lake = await createLakeDeps(readConfig({ FIRN_HOME: home }, home))
  const { deps } = lake
  try {
    const from = join(home, 'landing')
    await unpackSample({ folder: from })
    await runNight(deps, { pipeline: PIPELINE, from, batch: '20260701T020000Z' })
    const models = deps.pipelines.get(PIPELINE)?.models ?? {}
    const tables: QuantumTable[] = []
    for (const [model, definition] of Object.entries(models)) {
      const pin = withoutSplit(await pinTraining(deps, { pipeline: PIPELINE, model }))
      const { location, orderedDigest } = await buildDataset(deps, pin)
      const table = await loadTrainingTable(fileURLToPath(location), { orderedDigest, task: definition.task })
      tables.push({ model, definition, estimators: definition.estimators, table })
    }
    return tables
  } finally {
    lake.close()
    rmSync(home, { recursive: true, force: true })
  }
}

function withoutSplit(pin: TrainingPin): TrainingPin {
  const { split, ...rest } = pin
  return split === undefined ? pin : rest
}
