import { defineSearchAttributeKey } from '@temporalio/common'
import {
  defineSignal,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
  type WorkflowInterceptorsFactory,
} from '@temporalio/workflow'
import { RETRIES_SIGNAL, SEARCH_ATTRIBUTES, type ActivityRetries } from '../schemas/workflow-names.js'

const STATUS = defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, 'KEYWORD')

/**
 * In every bundle: a workflow whose activity is tried again and again has the status `retrying` in Temporal's lists, which show
 * it as running. The activity's attempts tell it by a signal, since a workflow hears of its activities' end alone.
 */
export const interceptors: WorkflowInterceptorsFactory = () => {
  const open = new Set<string>()
  const retrying = new Set<string>()
  let before = 'running'
  const status = () => workflowInfo().typedSearchAttributes.get(STATUS)
  const show = (value: string): void => upsertSearchAttributes([{ key: STATUS, value }])
  return {
    inbound: [
      {
        execute(input, next) {
          setHandler(defineSignal<[ActivityRetries]>(RETRIES_SIGNAL), ({ activityId }) => {
            if (!open.has(activityId)) return
            retrying.add(activityId)
            const now = status()
            if (now === 'retrying') return
            before = now ?? 'running'
            show('retrying')
          })
          return next(input)
        },
      },
    ],
    outbound: [
      {
        scheduleActivity(input, next) {
          const id = input.options.activityId ?? String(input.seq)
          open.add(id)
          const ended = (): void => {
            open.delete(id)
            if (retrying.delete(id) && retrying.size === 0 && status() === 'retrying') show(before)
          }
          const result = next(input)
          // Beside the promise that the workflow waits for, and not around it: that would change the order of what it does next.
          result.then(ended, ended)
          return result
        },
      },
    ],
  }
}
