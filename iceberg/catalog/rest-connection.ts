import { IcebergError } from '../error.js'
import { ENDPOINTS, type EndpointName } from '../rest/endpoint.js'
import type { RestAnswer } from '../rest/judge-outcome.js'
import type { RestClient, RestRequest } from '../rest/rest-client.js'
import { asObject, asString } from '../spec/json-value.js'
import type { TableIdentifier } from './catalog.js'
import { parseWireIdentifier } from '../rest/wire-names.js'
import type { RestPaths } from './rest-paths.js'

/** A REST server as its configuration describes it. */
export class RestConnection {
  readonly paths: RestPaths
  /** Merged: the server's defaults, the client's settings, the server's overrides. */
  readonly properties: Readonly<Record<string, string>>
  readonly #client: RestClient
  readonly #endpoints: ReadonlySet<string>

  constructor(options: {
    readonly client: RestClient
    readonly paths: RestPaths
    readonly properties: Readonly<Record<string, string>>
    readonly endpoints: ReadonlySet<string>
  }) {
    this.paths = options.paths
    this.properties = options.properties
    this.#client = options.client
    this.#endpoints = options.endpoints
  }

  offers(endpoint: EndpointName): boolean {
    return this.#endpoints.has(ENDPOINTS[endpoint])
  }

  /** Throws `unsupported` without asking where the server says that it does not offer the endpoint. */
  async send(endpoint: EndpointName, request: Omit<RestRequest, 'method'>): Promise<RestAnswer> {
    const described = ENDPOINTS[endpoint]
    if (!this.offers(endpoint)) {
      throw new IcebergError(
        'unsupported',
        `could not ${request.what}: the catalog server does not offer ${described}`,
        { context: { endpoint: described } },
      )
    }
    const method = described.slice(0, described.indexOf(' ')) as RestRequest['method']
    return await this.#client.send({ ...request, method })
  }

  /** The items of all pages of a listing. */
  async list<T>(
    endpoint: EndpointName,
    request: Omit<RestRequest, 'method'>,
    read: (page: Readonly<Record<string, unknown>>) => readonly T[],
  ): Promise<readonly T[]> {
    const found: T[] = []
    const seen = new Set<string>()
    let token = ''
    do {
      const mark = request.path.includes('?') ? '&' : '?'
      // An empty token says that pages are welcome; servers without pages ignore it.
      const path = `${request.path}${mark}pageToken=${encodeURIComponent(token)}`
      const page = asObject((await this.send(endpoint, { ...request, path })).body, 'the answer')
      found.push(...read(page))
      const next = page['next-page-token']
      token = next === undefined || next === null ? '' : asString(next, 'next-page-token')
      if (token !== '' && seen.has(token)) {
        throw new IcebergError(
          'data-invalid',
          `could not ${request.what}: the catalog gives the same page again and again`,
        )
      }
      seen.add(token)
    } while (token !== '')
    return found
  }
}

/** The tables or views of a page of the namespace. */
export function identifiersIn(page: Readonly<Record<string, unknown>>): readonly TableIdentifier[] {
  const { identifiers } = page
  return Array.isArray(identifiers) ? identifiers.map(parseWireIdentifier) : []
}
