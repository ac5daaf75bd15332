import { FirnError } from '../../schemas/error.js'
import type { LakeDeps } from '../../schemas/lake-deps.js'
import type { Metrics, PromoteRequest, PromoteResult } from '../../schemas/model-messages.js'
import { findModel } from '../models/find-model.js'
import { whyNotComparable } from '../registry/compare-versions.js'
import type { ModelRegistry } from '../registry/model-registry.js'
import { resolveModel } from '../registry/resolve-model-uri.js'
import type { ModelVersion } from '../registry/version-store.js'
import { decidePromotion, defaultGateMetric } from './decide-promotion.js'

type PromoteDeps = Pick<LakeDeps, 'pipelines' | 'now'>

interface Promotion {
  readonly pipeline: string
  readonly model: string
  readonly request: PromoteRequest
}

/**
 * Gives a version an alias where it beats the alias's holder and the best baseline on the rows that it was measured on:
 * the pinned test rows, without a split the folds. A holder that was measured on other rows can't be compared: it has to
 * be trained at the challenger's tag first. Asked again it finds the alias set; of two at once the second one meets the
 * first one's version.
 */
export function promoteVersion(deps: PromoteDeps, registry: ModelRegistry, of: Promotion): PromoteResult {
  for (;;) {
    const judged = judge(deps, registry, of)
    if (!judged.promoted || setAlias(deps, registry, of.request, judged)) return judged
  }
}

function judge(deps: PromoteDeps, registry: ModelRegistry, of: Promotion): PromoteResult {
  const { request } = of
  const alias = request.alias ?? 'champion'
  const { definition } = findModel(deps.pipelines, of)
  const metric = definition.gate?.metric ?? defaultGateMetric(definition.task)
  const challenger = resolveModel(registry, { model: of.model, version: request.version })
  const holder = registry.aliases(of.model).find((known) => known.alias === alias)
  const champion = holder && {
    version: holder.version,
    ...measured(resolveModel(registry, { model: of.model, version: holder.version }), metric),
  }
  const own = measured(challenger, metric)
  const baseline = {
    name: challenger.trained.baselineName,
    value: valueOf(challenger, challenger.trained.baseline, metric),
  }
  const incomparable = champion === undefined ? [] : comparability(challenger, champion.of)
  const problems = [
    ...incomparable,
    ...decidePromotion({
      ...{ metric, baseline, challenger: { version: challenger.version, value: own.value } },
      ...(champion === undefined || incomparable.length > 0 ? {} : { champion }),
    }),
  ]
  const promoted = problems.length === 0 || request.force === true
  return {
    ...{ model: of.model, version: challenger.version, alias, promoted, metric, problems },
    forced: promoted && problems.length > 0,
    challenger: own.value ?? null,
    champion: champion === undefined ? null : { version: champion.version, value: champion.value ?? null },
    baseline: { name: baseline.name, value: baseline.value ?? null },
  }
}

/** False where another version got the alias since it was judged. */
function setAlias(
  { now }: PromoteDeps,
  registry: ModelRegistry,
  request: PromoteRequest,
  { model, alias, version, forced, champion }: PromoteResult,
): boolean {
  return registry.setAlias({
    ...{ model, alias, version, forced, replaces: champion?.version ?? null },
    by: request.by ?? 'unknown',
    ...(request.reason === undefined ? {} : { reason: request.reason }),
    atMs: now(),
  })
}

function measured(of: ModelVersion, metric: string) {
  return { of, value: valueOf(of, of.trained.metrics, metric) }
}

function comparability(challenger: ModelVersion, champion: ModelVersion): readonly string[] {
  if (champion.version === challenger.version) return []
  if (whyNotComparable(challenger, champion).length === 0) return []
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
