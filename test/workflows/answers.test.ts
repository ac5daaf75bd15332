import { expect, it } from 'vitest'
import type { LandingAnswer, TopicLandingPlan } from '../../schemas/messages.js'
import { answersAfter } from '../../workflows/answers.js'

const EVERY: readonly LandingAnswer[] = ['lost-offsets', 'all-bad', 'incarnation:0123456789ab']

/** Lands one partition up to `end` of 10 offsets. */
function plan(end: number, accept?: readonly LandingAnswer[]): TopicLandingPlan {
  return {
    ...{ kind: 'topic', pipeline: 'churn', source: 'events', batch: 'b', topic: 'events' },
    ...{ incarnation: 'ba9876543210', slices: [], gaps: [], pending: 0 },
    ranges: [{ partition: 0, first: 0, end }],
    seen: [{ partition: 0, first: 0, end: 10 }],
    ...(accept === undefined ? {} : { accept }),
  }
}

it.each([
  ['what waited when it was given is landed', 10, EVERY, []],
  ['there is more of what waited', 5, EVERY, ['all-bad']],
  ['the plan was not told of them', 10, undefined, EVERY],
  ['the plan was told of another one', 10, ['all-bad'], ['lost-offsets', 'incarnation:0123456789ab']],
] as const)('answers that hold on where %s', (_, end, told, left) => {
  expect(answersAfter(plan(end, told), EVERY, [{ partition: 0, first: 0, end: 10 }])).toEqual(left)
})
