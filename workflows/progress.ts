import {
  defineQuery,
  isCancellation,
  rootCause,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow'
import { defineSearchAttributeKey } from '@temporalio/common'
import {
  SEARCH_ATTRIBUTES,
  STATUS_QUERY,
  type RunStatus,
  type StepState,
  type StepStatus,
} from '../schemas/workflow-names.js'

const statusQuery = defineQuery<RunStatus>(STATUS_QUERY)

const KEYS = {
  pipeline: defineSearchAttributeKey(SEARCH_ATTRIBUTES.pipeline, 'KEYWORD'),
  batch: defineSearchAttributeKey(SEARCH_ATTRIBUTES.batch, 'KEYWORD'),
  stage: defineSearchAttributeKey(SEARCH_ATTRIBUTES.stage, 'KEYWORD'),
  status: defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, 'KEYWORD'),
}

/** A workflow's steps as the query `status`, the details in Temporal's UI and the search attributes show them. */
export interface Progress {
  /** Runs a step; a failed one is shown as such, and the error goes on. `note` puts its result in a few words. */
  step<T>(name: string, work: () => Promise<T>, note?: (result: T) => string): Promise<T>
  /** Words beside a step that runs, or the id of the child workflow that does it. */
  tell(name: string, more: { readonly note?: string; readonly workflowId?: string }): void
  skip(name: string, note: string): void
  /** A step whose outcome was known before it. */
  done(name: string, note: string): void
  setBatch(batch: string): void
  finish(status: 'done' | 'no_changes' | 'failed'): void
}

export function startProgress(
  about: { readonly pipeline?: string; readonly batch?: string },
  names: readonly string[],
): Progress {
  const steps = new Map<string, StepStatus>(names.map((name) => [name, { name, state: 'waiting' }]))
  let run: Omit<RunStatus, 'steps'> = { ...about, status: 'running' }
  const current = (): RunStatus => ({ ...run, steps: [...steps.values()] })
  const set = (name: string, change: Omit<StepStatus, 'name' | 'state'> & { state?: StepState }): void => {
    steps.set(name, { ...(steps.get(name) ?? { name, state: 'waiting' }), ...change })
    setCurrentDetails(markdown(current()))
  }
  const setRun = (change: Partial<Omit<RunStatus, 'steps'>>): void => {
    run = { ...run, ...change }
    setCurrentDetails(markdown(current()))
  }

  setHandler(statusQuery, current, { description: 'The steps of this run: state, counts, child workflows.' })
  setRun({})
  upsertSearchAttributes([
    ...(about.pipeline === undefined ? [] : [{ key: KEYS.pipeline, value: about.pipeline }]),
    ...(about.batch === undefined ? [] : [{ key: KEYS.batch, value: about.batch }]),
    { key: KEYS.status, value: 'running' },
  ])

  return {
    async step(name, work, note) {
      set(name, { state: 'running' })
      setRun({ status: 'running' })
      upsertSearchAttributes([{ key: KEYS.stage, value: name }])
      try {
        const result = await work()
        set(name, { state: 'done', ...(note === undefined ? {} : { note: note(result) }) })
        return result
      } catch (error) {
        const status = isCancellation(error) ? 'cancelled' : 'failed'
        set(name, {
          state: 'failed',
          note: isCancellation(error) ? 'cancelled' : (rootCause(error) ?? 'failed'),
        })
        setRun({ status })
        upsertSearchAttributes([{ key: KEYS.status, value: status }])
        throw error
      }
    },
    tell: (name, more) => set(name, more),
    skip: (name, note) => set(name, { state: 'skipped', note }),
    done: (name, note) => set(name, { state: 'done', note }),
    setBatch(batch) {
      setRun({ batch })
      upsertSearchAttributes([{ key: KEYS.batch, value: batch }])
    },
    finish(status) {
      setRun({ status })
      upsertSearchAttributes([{ key: KEYS.status, value: status }])
    },
  }
}

const MARKS: Readonly<Record<StepState, string>> = {
  waiting: '·',
  running: '▶',
  done: '✓',
  failed: '✗',
  skipped: '–',
}

function markdown(run: RunStatus): string {
  const title = [
    ...(run.pipeline === undefined ? [] : [`**${run.pipeline}**`]),
    ...(run.batch === undefined ? [] : [`batch \`${run.batch}\``]),
    run.status,
  ].join(' · ')
  const rows = run.steps.map((step) => {
    const more = [step.note, step.workflowId === undefined ? undefined : `\`${step.workflowId}\``]
    const cell = more.filter((text) => text !== undefined).join(' ')
    return `| ${MARKS[step.state]} ${step.name} | ${cell.replace(/[|\n]/g, ' ')} |`
  })
  return [title, '', '| step | |', '|---|---|', ...rows].join('\n')
}
