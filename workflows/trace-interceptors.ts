import {
  OpenTelemetryInboundInterceptor,
  OpenTelemetryInternalsInterceptor,
  OpenTelemetryOutboundInterceptor,
} from '@temporalio/interceptors-opentelemetry/lib/workflow/index.js'
import { getRandomStream, type WorkflowInterceptorsFactory } from '@temporalio/workflow'

/** In the bundle of workers that trace, and in no other: a span for a workflow and for what it starts. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [apart(new OpenTelemetryInboundInterceptor())],
  outbound: [apart(new OpenTelemetryOutboundInterceptor())],
  internals: [new OpenTelemetryInternalsInterceptor()],
})

/**
 * Ids of spans come from random numbers of their own. From the workflow's, every later `uuid4()` would be another one as soon
 * as tracing is turned on or off in the middle of a run.
 */
function apart<T extends object>(interceptor: T): T {
  return new Proxy(interceptor, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown =>
        getRandomStream('firn.trace').with(() => Reflect.apply(member, target, args) as unknown)
    },
  })
}
