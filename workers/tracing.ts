import type { Span } from '@opentelemetry/api'
import type { ClientInterceptors } from '@temporalio/client'
import type { OpenTelemetrySinks } from '@temporalio/interceptors-opentelemetry/lib/workflow/index.js'
import type { ActivityInterceptorsFactory, InjectedSinks, WorkerInterceptors } from '@temporalio/worker'
import { aboutOf } from '../schemas/log-about.js'

/** What clients and workers of a process that traces are made with. */
export interface Tracing {
  readonly inSpan: InSpan
  readonly client: ClientInterceptors
  readonly activity: NonNullable<WorkerInterceptors['activity']>
  /** Where the workflows' own interceptors leave their spans. */
  readonly sinks: InjectedSinks<OpenTelemetrySinks>
}

/** Does work in a span of its own, which is marked where the work fails. */
export type InSpan = <T>(
  name: string,
  attributes: Readonly<Record<string, string>>,
  work: (span: Span) => Promise<T>,
) => Promise<T>

const started = new Map<string, Promise<Tracing>>()

/** Sends spans to a collector from now on. OpenTelemetry is loaded here and nowhere else: once an endpoint. */
export function startTracing(endpoint: string): Promise<Tracing> {
  const known = started.get(endpoint)
  if (known !== undefined) return known
  const tracing = load(endpoint)
  started.set(endpoint, tracing)
  return tracing
}

async function load(endpoint: string): Promise<Tracing> {
  const [api, { OTLPTraceExporter }, { Resource }, sdk, client, worker] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace-node'),
    import('@temporalio/interceptors-opentelemetry/lib/client/index.js'),
    import('@temporalio/interceptors-opentelemetry/lib/worker/index.js'),
  ])
  const resource = new Resource({ 'service.name': 'firn', 'service.instance.id': String(process.pid) })
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` })
  const processor = new sdk.BatchSpanProcessor(exporter, { scheduledDelayMillis: 1000 })
  const provider = new sdk.NodeTracerProvider({ resource, spanProcessors: [processor] })
  provider.register()
  // A process that ends by itself has nothing else left to do: what it still holds is sent. A collector that is gone
  // loses spans and nothing else.
  process.once('beforeExit', () => void provider.shutdown().catch(() => undefined))
  const tracer = api.trace.getTracer('firn')
  const inSpan: InSpan = (name, attributes, work) =>
    tracer.startActiveSpan(name, { attributes }, async (span) => {
      try {
        return await work(span)
      } catch (error) {
        // What went wrong is told by the activity's log line, without secrets.
        span.setStatus({ code: api.SpanStatusCode.ERROR })
        throw error
      } finally {
        span.end()
      }
    })
  const spans: ActivityInterceptorsFactory = (context) => ({
    inbound: new worker.OpenTelemetryActivityInboundInterceptor(context),
    outbound: new worker.OpenTelemetryActivityOutboundInterceptor(context),
  })
  const attributes: ActivityInterceptorsFactory = ({ info }) => ({
    inbound: {
      execute(input, next) {
        const span = api.trace.getActiveSpan()
        span?.setAttribute('firn.attempt', info.attempt)
        for (const [name, value] of Object.entries(aboutOf(input.args[0])))
          span?.setAttribute(`firn.${name}`, value)
        return next(input)
      },
    },
  })
  return {
    inSpan,
    client: { workflow: [new client.OpenTelemetryWorkflowClientInterceptor()] },
    activity: [spans, attributes],
    sinks: { exporter: worker.makeWorkflowExporter(processor, resource) },
  }
}
