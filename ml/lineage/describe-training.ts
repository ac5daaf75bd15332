import type { ModelVersion } from '../registry/version-store.js'
import { digestOf } from '../views/digest-of.js'
import type { TrainingTrace } from './version-lineage.js'

/** What the registry alone knows of a version's training. */
export function describeTraining(
  version: ModelVersion,
  inputExample?: Readonly<Record<string, unknown>>,
): TrainingTrace {
  const { model, pin, dataset, trained } = version
  const { artifactLocation, weightsDigest, metrics, baseline, baselineName, baselines, folds, environment } =
    trained
  const { digest, orderedDigest, rowsDigest, testDigest, rows, features, signature, splits } = dataset
  const trainingRows = splits['train'] ?? splits['all']
  const positive = trainingRows?.classes?.['1']
  const count = trainingRows?.rows ?? rows
  return {
    ...{ model, version: version.version, uri: `models:/${model}/${version.version}` },
    ...{ runId: version.runId, workflow: version.workflow },
    registeredAt: new Date(version.registeredAtMs).toISOString(),
    pin,
    data: {
      ...{ digest, orderedDigest, rowsDigest, testDigest, rows, features, signature, splits },
      training_row_count: count,
      ...(pin.settings.task === 'binary-classification' && count > 0
        ? { positive_rate: (positive ?? 0) / count }
        : {}),
      feature_set_version: featureSetVersion(version),
      definitionFingerprint: dataset.definitionFingerprint,
      fingerprints: dataset.fingerprints,
      ...(inputExample === undefined ? {} : { inputExample }),
    },
    trained: {
      ...{ artifactLocation, weightsDigest, metrics, baseline, baselineName, baselines, folds, environment },
    },
  }
}

/** The service's name and a digest of the views and columns that it stands for. */
function featureSetVersion({ pin, dataset }: ModelVersion): string {
  const features = Object.entries(dataset.fingerprints).filter(([name]) => /^(view|service) /.test(name))
  return `${pin.service}@${digestOf(Object.fromEntries(features)).slice(0, 12)}`
}
