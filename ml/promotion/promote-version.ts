import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Metrics, PromoteRequest, PromoteResult } from '../../schemas/model-messages.js'
import { findModel } from '../models/find-model.js'
import type { ModelRegistry } from '../registry/model-registry.js'
import { resolveModel } from '../registry/resolve-model-uri.js'
import type { ModelVersion } from '../registry/version-store.js'
import { decidePromotion, defaultGateMetric } from './decide-promotion.js'

/**
 * Gives a version an alias where it beats the alias's holder and the best baseline on the rows that it was measured on:
 * the pinned test rows, without a split the folds. A holder that was measured on other rows can't be compared: it has to
 * be trained at the challenger's tag first. Asked again it finds the alias set.
 */
export function promoteVersion(
  deps: Pick<LakeDeps, 'pipelines' | 'now'>,
  registry: ModelRegistry,
  of: { readonly pipeline: string; readonly model: string; readonly request: PromoteRequest },
): PromoteResult {
  const { request } = of
  const alias = request.alias ?? 'champion'
  const { definition } = findModel(deps.pipelines, of)
  const metric = definition.gate?.metric ?? defaultGateMetric(definition.task)
  const challenger = resolveModel(registry, { model: of.model, version: request.version })
  const holder = registry.aliases(of.model).find((known) => known.alias === alias)
  const champion =
    holder === undefined ? undefined : resolveModel(registry, { model: of.model, version: holder.version })
  const problems = [
    ...comparability(challenger, champion),
    ...decidePromotion({
      metric,
      challenger: {
        version: challenger.version,
        value: valueOf(challenger, challenger.trained.metrics, metric),
      },
      ...(champion === undefined || comparability(challenger, champion).length > 0
        ? {}
        : {
            champion: {
              version: champion.version,
              value: valueOf(champion, champion.trained.metrics, metric),
            },
          }),
      baseline: {
        name: challenger.trained.baselineName,
        value: valueOf(challenger, challenger.trained.baseline, metric),
      },
    }),
  ]
  const promoted = problems.length === 0 || request.force === true
  if (promoted) {
    registry.setAlias({
      ...{ model: of.model, alias, version: challenger.version },
      by: request.by ?? 'unknown',
      ...(request.reason === undefined ? {} : { reason: request.reason }),
      forced: problems.length > 0,
      atMs: deps.now(),
    })
  }
  return {
    ...{ model: of.model, version: challenger.version, alias, promoted, metric, problems },
    forced: promoted && problems.length > 0,
    challenger: valueOf(challenger, challenger.trained.metrics, metric) ?? null,
    champion:
      champion === undefined
        ? null
        : { version: champion.version, value: valueOf(champion, champion.trained.metrics, metric) ?? null },
    baseline: {
      name: challenger.trained.baselineName,
      value: valueOf(challenger, challenger.trained.baseline, metric) ?? null,
    },
  }
}

function comparability(challenger: ModelVersion, champion: ModelVersion | undefined): readonly string[] {
  if (champion === undefined || champion.version === challenger.version) return []
  if (champion.dataset.testDigest === challenger.dataset.testDigest) return []
  return [
    `version ${champion.version} was measured on other rows (at ${champion.pin.tag}) than version ${challenger.version} (at ${challenger.pin.tag}): train its estimator "${champion.pin.estimator}" at ${challenger.pin.tag} and compare with that`,
  ]
}

/** On the test rows; without a split the mean over the folds, which goes by MLflow's short name for the AUC. */
function valueOf(version: ModelVersion, metrics: Metrics, metric: string): number | undefined {
  if (version.pin.split !== undefined) return metrics[`test/${metric}`]
  if (version.pin.settings.validation === undefined) {
    throw new FirnError(
      'config',
      `model "${version.model}" has neither a split nor a validation, so nothing says how good it is. Give it one and train it again.`,
    )
  }
  return metrics[`cv_${metric === 'roc_auc' ? 'auc' : metric}_mean`]
}
