import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { createHash } from 'node:crypto'
import type { Catalog } from '../../iceberg/catalog/catalog.js'
import { ENDPOINTS, type EndpointName } from '../../iceberg/rest/endpoint.js'
import { errorBody } from '../../iceberg/rest/error-body.js'
import { decodeNamespace } from '../../iceberg/rest/wire-names.js'
import { parseJson, stringifyJson } from '../../iceberg/spec/json.js'
import { authenticate, type TokenList } from './access.js'
import type { AnswerLog, FinalAnswer } from './answer-log.js'
import { KEY_LIFETIME_HOURS } from './answer-log.js'
import { AnswerOnce, parseKey } from './answer-once.js'
import { type Call, type CatalogService, type Handler, type Handlers, parsed } from './call.js'
import { COMMIT_HANDLERS } from './commit-handlers.js'
import type { Fence } from './fenced-file-io.js'
import { NAMESPACE_HANDLERS } from './namespace-handlers.js'
import { badRequest, Problem, problemOf } from './problem.js'
import { TABLE_HANDLERS } from './table-handlers.js'
import { VIEW_HANDLERS } from './view-handlers.js'

export interface CatalogServerOptions {
  /** Should reach files through a `FencedFileIO` of the same fence. The caller closes it after the server. */
  readonly catalog: Catalog
  readonly warehouse: string
  readonly fence: Fence
  readonly answers: AnswerLog
  /** Undefined: everybody may do everything, for servers that listen on this machine only. */
  readonly tokens?: TokenList
  /** What clients use where they say nothing themselves, e.g. `s3.endpoint`. Everybody with a token reads it. */
  readonly defaults?: Readonly<Record<string, string>>
  /** What clients use whatever they say. */
  readonly overrides?: Readonly<Record<string, string>>
  /** Names by which this server may be called; guards servers without tokens against other sites' pages. */
  readonly hosts?: readonly string[]
  readonly now: () => number
  readonly newUuid: () => string
  /** Told of every answer of 500 and above. Holds no header and no body. */
  readonly onFailure?: (failure: ServerFailure) => void
  readonly maxBodyBytes?: number
  /** For a request to arrive whole. */
  readonly requestTimeoutMs?: number
}

export interface ServerFailure {
  readonly method: string
  /** Without its query. */
  readonly path: string
  readonly status: number
  readonly reason: string
}

const MAX_BODY_BYTES = 64 * 1_048_576
const REQUEST_TIMEOUT_MS = 60_000
/** Each may send a body of its own. */
const MAX_CONNECTIONS = 512
/** Longer than names may be, in percent-encoded UTF-8. */
const MAX_SEGMENT = 2000

const HANDLERS: Handlers = {
  ...NAMESPACE_HANDLERS,
  ...TABLE_HANDLERS,
  ...COMMIT_HANDLERS,
  ...VIEW_HANDLERS,
}

/** The REST catalog specification over a catalog; not yet listening. */
export function createCatalogServer(options: CatalogServerOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: options.maxBodyBytes ?? MAX_BODY_BYTES,
    requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_SEGMENT },
  })
  app.server.maxConnections = MAX_CONNECTIONS
  // Before the body is read: whoever is not known must not have the server hold megabytes.
  app.addHook('onRequest', (request, _reply, done) => {
    authenticateRequest(request, options)
    done()
  })
  app.removeAllContentTypeParsers()
  // Text and value: the text tells requests of one key apart.
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) =>
    done(null, text),
  )
  app.setErrorHandler((error, request, reply) => refuse(error, request, reply, options))
  app.setNotFoundHandler((request) => {
    // Not 404: clients would take the table for missing.
    throw badRequest(`No route for request: ${request.method} ${pathOf(request)}`)
  })
  const once = new AnswerOnce(options.answers, (error) => {
    const reason = `an answer could not be kept: ${reasonOf(error)}`
    options.onFailure?.({ method: '', path: '', status: 200, reason })
  })
  app.get('/v1/config', (_request, reply) => {
    void reply.send(configDocument(options))
  })
  for (const [name, handler] of Object.entries(HANDLERS))
    addRoute(app, name as EndpointName, handler, options, once)
  return app
}

function configDocument({ defaults = {}, overrides = {} }: CatalogServerOptions): unknown {
  return {
    defaults,
    overrides,
    endpoints: Object.keys(HANDLERS).map((name) => ENDPOINTS[name as EndpointName]),
    'idempotency-key-lifetime': `PT${KEY_LIFETIME_HOURS}H`,
  }
}

function addRoute(
  app: FastifyInstance,
  name: EndpointName,
  handler: Handler,
  options: CatalogServerOptions,
  once: AnswerOnce,
): void {
  const [method, template] = ENDPOINTS[name].split(' ') as ['GET' | 'HEAD' | 'POST' | 'DELETE', string]
  const url = template.replace('/{prefix}', '').replace(/\{(\w+)\}/g, ':$1')
  const service: CatalogService = options
  app.route({
    method,
    url,
    handler: async (request, reply) => {
      const call = callOf(request, options)
      const act = () => finalAnswer(handler, call, service, (problem) => tell(problem, request, options))
      const key =
        method === 'GET' || method === 'HEAD' ? undefined : parseKey(headerOf(request, 'idempotency-key'))
      const answer =
        key === undefined
          ? await act()
          : await once.run({ key, fingerprint: fingerprintOf(request, call) }, act)
      return send(reply, answer, method)
    },
  })
}

function callOf(request: FastifyRequest, options: CatalogServerOptions): Call {
  const who = authenticateRequest(request, options)
  const params = request.params as Readonly<Record<string, string | undefined>>
  const { namespace } = params
  const ifNoneMatch = headerOf(request, 'if-none-match')
  return {
    who,
    namespace: namespace === undefined ? '' : parsed(() => decodeNamespace(namespace)),
    name: params['table'] ?? params['view'] ?? '',
    query: singleValues(request.query),
    body: bodyOf(request),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
  }
}

function authenticateRequest(request: FastifyRequest, { tokens, hosts }: CatalogServerOptions) {
  // A page of another site may have its own name point to this machine; the browser still sends that name.
  if (hosts !== undefined && !hosts.includes(request.hostname))
    throw new Problem(
      403,
      'ForbiddenException',
      `this server is not called ${JSON.stringify(request.hostname)}`,
    )
  return authenticate(tokens, request.headers.authorization)
}

/** Every outcome as an answer, so that refusals are kept under their key too. */
async function finalAnswer(
  handler: Handler,
  call: Call,
  service: CatalogService,
  onProblem: (problem: Problem) => void,
): Promise<FinalAnswer> {
  try {
    const { status, body, etag } = await handler.handle(call, service)
    return {
      status,
      body: body === undefined ? '' : stringifyJson(body),
      ...(etag === undefined ? {} : { etag }),
    }
  } catch (error) {
    const problem = problemOf(error, handler.subject(call))
    onProblem(problem)
    return { status: problem.status, body: problemText(problem) }
  }
}

async function send(
  reply: FastifyReply,
  { status, body, etag }: FinalAnswer,
  method: string,
): Promise<FastifyReply> {
  void reply.code(status)
  if (etag !== undefined) void reply.header('etag', etag)
  if (status === 503) void reply.header('retry-after', '1')
  if (body === '' || method === 'HEAD') return reply.send()
  return reply.type('application/json').send(body)
}

/** What did not come from a handler: refused before, or thrown by Fastify itself. */
function refuse(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  options: CatalogServerOptions,
): void {
  const problem = fastifyProblem(error) ?? problemOf(error, { kind: 'table' })
  tell(problem, request, options)
  // Closed, for a body that is still on its way would hold the connection.
  if (problem.status === 401)
    void reply.header('www-authenticate', 'Bearer realm="firn"').header('connection', 'close')
  void reply.code(problem.status).type('application/json').send(problemText(problem))
}

function problemText({ status, type, message }: Problem): string {
  return stringifyJson(errorBody(status, type, message))
}

/** Bodies too large, types that are not JSON, paths that do not decode. */
function fastifyProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || error instanceof Problem) return undefined
  const status = Number(error.statusCode)
  return status >= 400 && status < 500 ? new Problem(status, 'BadRequestException', error.message) : undefined
}

function tell(problem: Problem, request: FastifyRequest, { onFailure }: CatalogServerOptions): void {
  if (problem.status < 500) return
  const reason = reasonOf(problem.cause ?? problem)
  onFailure?.({ method: request.method, path: pathOf(request), status: problem.status, reason })
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? ''
}

function bodyOf(request: FastifyRequest): unknown {
  const text = request.body
  return typeof text === 'string' && text !== '' ? parsed(() => parseJson(text)) : undefined
}

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

/** Of a parameter given twice, the last. */
function singleValues(query: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(query as Readonly<Record<string, string | readonly string[]>>)
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === 'string' ? value : (value.at(-1) ?? '')]),
  )
}

function fingerprintOf(request: FastifyRequest, { who }: Call): string {
  const text = typeof request.body === 'string' ? request.body : ''
  return createHash('sha256').update([request.method, request.url, who.name, text].join('\n')).digest('hex')
}
