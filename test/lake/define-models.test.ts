import { describe, expect, it } from 'vitest'
import { problemsOf, shopWith, type Json } from './support/feature-pipeline.js'

describe('definitions of models', () => {
  const churn = 'models.churn'
  it.each<readonly [string, readonly (readonly [string, Json | undefined])[], RegExp]>([
    [
      'an unknown service',
      [[`${churn}.service`, 'x']],
      /^models\.churn\.service: there is no feature service x; there are basic, pictures, full/,
    ],
    ['an unknown label view', [[`${churn}.labels`, 'x']], /^models\.churn\.labels: there is no label view x/],
    [
      'an unknown split',
      [[`${churn}.split`, 'x']],
      /^models\.churn\.split: there is no split x; there are v1_stratified/,
    ],
    [
      'a split of other entities',
      [
        [`${churn}.split`, 'v1_time'],
        ['labelViews.spending.entities', ['shop']],
      ],
      /models\.churn\.split: v1_time is of shop \(label view spending\), the model is of .* \(churn\)/,
    ],
    [
      'a task that the labels are not for',
      [[`${churn}.task`, 'multiclass-classification']],
      /^models\.churn\.task: multiclass-classification needs string labels, those of churn are boolean/,
    ],
    [
      'a view that the labels have no key for',
      [['labelViews.churn.entities', ['user']]],
      /^models\.churn\.service: its view activity is joined by shop_id, which label view churn does not have among user_token/,
    ],
    [
      'no estimator',
      [[`${churn}.estimators`, {}]],
      /^models\.churn\.estimators: must name at least one kind/,
    ],
    [
      'an unknown kind of model',
      [[`${churn}.estimators.trees.kind`, 'svm']],
      /^models\.churn\.estimators\.trees\.kind: /,
    ],
    [
      'a parameter out of range',
      [[`${churn}.estimators.trees.learningRate`, 0]],
      /^models\.churn\.estimators\.trees\.learningRate: Too small/,
    ],
    [
      'a share above 1',
      [[`${churn}.estimators.trees.subsample`, 1.5]],
      /^models\.churn\.estimators\.trees\.subsample: must be above 0 and at most 1/,
    ],
    [
      'a parameter that the kind has not',
      [[`${churn}.estimators.trees.hidden`, [1]]],
      /^models\.churn\.estimators\.trees: Unrecognized key: "hidden"/,
    ],
    [
      'preprocessing of an unknown column',
      [[`${churn}.estimators.linear.preprocessing`, [{ step: 'one-hot', columns: ['city'] }]]],
      /^models\.churn\.estimators\.linear\.preprocessing\.0\.columns: there is no feature of basic that the model sees city; there are age/,
    ],
    [
      'early stopping without a split',
      [[`${churn}.split`, undefined]],
      /^models\.churn\.estimators\.trees\.earlyStopping: it watches the rows of `val`/,
    ],
    [
      'leave-one-group-out without a group',
      [['labelViews.churn.group', undefined]],
      /^models\.churn\.validation: label view churn has no group to leave out/,
    ],
    [
      'one fold',
      [[`${churn}.validation`, { kind: 'k-fold', folds: 1 }]],
      /^models\.churn\.validation\.folds: Too small/,
    ],
    [
      'calibration of a regression',
      [['models.spending.calibration', 'platt']],
      /^models\.spending\.calibration: it turns scores into probabilities/,
    ],
    [
      'calibration of nothing held out',
      [
        ['models.pictures.split', undefined],
        ['models.pictures.calibration', 'isotonic'],
      ],
      /^models\.pictures\.calibration: it is fitted on rows held out/,
    ],
    [
      'class weights of a regression',
      [['models.spending.classWeights', 'balanced']],
      /^models\.spending\.classWeights: a regression has no classes/,
    ],
    [
      'an offset of a classification',
      [[`${churn}.offset`, 'spent']],
      /^models\.churn\.offset: only a regression/,
    ],
    [
      'an offset that is no feature',
      [['models.spending.offset', 'spent']],
      /^models\.spending\.offset: there is no feature of full spent; there are profile__age/,
    ],
    [
      'an offset that is no number',
      [['models.spending.offset', 'profile__country']],
      /^models\.spending\.offset: profile__country is string, not a number/,
    ],
    [
      'baseline features that are none',
      [['models.spending.baselineOnly', ['x']]],
      /^models\.spending\.baselineOnly: there is no feature of full x/,
    ],
    [
      'no feature but for baselines',
      [['models.pictures.baselineOnly', ['picture']]],
      /^models\.pictures\.baselineOnly: no feature is left/,
    ],
    [
      'ridge for classes',
      [[`${churn}.estimators`, { r: { kind: 'ridge' } }]],
      /^models\.churn\.estimators\.r: ridge predicts a number/,
    ],
    [
      'logistic for numbers',
      [['models.spending.estimators', { l: { kind: 'logistic' } }]],
      /^models\.spending\.estimators\.l: logistic tells classes apart/,
    ],
    [
      'a list for trees',
      [['models.pictures.estimators', { t: { kind: 'random-forest', trees: 10 } }]],
      /^models\.pictures\.estimators\.t: feature picture is a list of numbers, which only cnn takes/,
    ],
    [
      'a cnn of numbers',
      [['models.pictures.service', 'basic']],
      /^models\.pictures\.estimators\.net: cnn sees one feature, a list of numbers; service basic has age, country, spent/,
    ],
    [
      'a cnn of two dimensions',
      [['models.pictures.estimators.net.shape', [4, 4]]],
      /^models\.pictures\.estimators\.net\.shape: /,
    ],
    [
      'a convolution larger than its picture',
      [
        [
          'models.pictures.estimators.net.convolutions',
          [
            { filters: 4, size: 3 },
            { filters: 4, size: 3 },
          ],
        ],
      ],
      /^models\.pictures\.estimators\.net\.convolutions\.1: size 3 is more than the 2 × 2 that are left of 4 × 4 × 1/,
    ],
    [
      'a type that no model takes',
      [
        ['featureViews.profile.schema.at', 'timestamptz'],
        ['featureViews.profile.timestampField', 'known_at'],
        ['featureViews.profile.createdTimestampField', undefined],
        ['featureServices.basic.features', ['profile:age', 'profile:country', 'profile:at']],
      ],
      /^models\.churn\.service: feature at is timestamptz; a model takes numbers/,
    ],
    [
      'an unknown predictions table',
      [[`${churn}.predictions`, 'x']],
      /^models\.churn\.predictions: there is no table x/,
    ],
    [
      'a predictions table with SQL',
      [[`${churn}.predictions`, 'orders']],
      /^models\.churn\.predictions: table orders: it has SQL/,
    ],
    [
      'a predictions table without a column',
      [['tables.predictions.schema.scored_at', undefined]],
      /^models\.churn\.predictions: table predictions: it lacks the column scored_at \(timestamptz\)/,
    ],
    [
      'a predictions table without a join key',
      [
        ['tables.predictions.schema.shop_id', undefined],
        ['tables.predictions.key', ['score_date', 'model', 'user_token']],
      ],
      /^models\.churn\.predictions: table predictions: it lacks the join key shop_id/,
    ],
    [
      'a predictions table that needs more',
      [['models.churn.constants', {}]],
      /^models\.churn\.predictions: table predictions: its column horizon is required, and no prediction has it/,
    ],
    [
      'a constant of another type',
      [['models.churn.constants.horizon', 'long']],
      /^models\.churn\.predictions: table predictions: its column horizon is int, the constant is "long"/,
    ],
    [
      'a predictions table that is appended to',
      [['tables.predictions.write', 'append']],
      /^models\.churn\.predictions: .* write must be overwrite-partitions, not append/,
    ],
    [
      'a predictions table by day alone',
      [['tables.predictions.partition', ['score_date']]],
      /^models\.churn\.predictions: .* partition must name model/,
    ],
    [
      'an unknown metric to promote by',
      [[`${churn}.gate.metric`, 'mae']],
      /^models\.churn\.gate\.metric: there is no metric of a binary-classification mae/,
    ],
    [
      'a search of an unknown estimator',
      [[`${churn}.search.estimator`, 'x']],
      /^models\.churn\.search\.estimator: there is no estimator x; there are trees, linear/,
    ],
    [
      'a search of an unknown parameter',
      [[`${churn}.search.space.depth`, [1]]],
      /^models\.churn\.search\.space\.depth: there is no parameter of gbdt depth; there are trees, maxDepth/,
    ],
    [
      'a search of a value out of range',
      [[`${churn}.search.space.maxDepth`, [3, 0]]],
      /^models\.churn\.search\.space\.maxDepth: 0: Too small/,
    ],
    [
      'a search without validation',
      [[`${churn}.validation`, undefined]],
      /^models\.churn\.search\.metric: values are chosen by cross-validation/,
    ],
    ['an unknown field', [[`${churn}.servicee`, 'x']], /^models\.churn: Unrecognized key: "servicee"/],
  ])('name %s with its path', (_, changes, message) => {
    const problems = problemsOf(shopWith(...changes))
    expect(problems.filter((problem) => message.test(problem))).toHaveLength(1)
  })

  it('name all mistakes in one error, those of shape and those of meaning', () => {
    const problems = problemsOf(
      shopWith(
        ['models.churn.estimators.trees.trees', -1],
        ['models.spending.offset', 'nope'],
        ['featureViews.profile.ttl', 'soon'],
        ['splits.v1_time.labels', 'nothing'],
      ),
    )
    expect(problems.map((problem) => problem.slice(0, problem.indexOf(':'))).sort()).toEqual([
      'featureViews.profile.ttl',
      'models.churn.estimators.trees.trees',
      'models.spending.offset',
      'splits.v1_time.labels',
    ])
  })
})
