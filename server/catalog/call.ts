import type { Catalog, TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { isIcebergError } from '../../iceberg/error.js'
import type { EndpointName } from '../../iceberg/rest/endpoint.js'
import type { Principal } from './access.js'
import type { Fence } from './fenced-file-io.js'
import { badRequest, type Subject } from './problem.js'

/** What handlers work with. */
export interface CatalogService {
  readonly catalog: Catalog
  /** Where clients may put tables. */
  readonly fence: Fence
  readonly warehouse: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newUuid: () => string
}

/** One request, taken apart; its principal has been told apart from others but not yet allowed anything. */
export interface Call {
  readonly who: Principal
  /** Of the path; `''` where it has none. */
  readonly namespace: string
  /** A table's or view's, of the path; `''` where it has none. */
  readonly name: string
  readonly query: Readonly<Record<string, string | undefined>>
  readonly ifNoneMatch?: string
  readonly body: unknown
}

export interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly etag?: string
}

export interface Handler {
  readonly subject: (call: Call) => Subject
  readonly handle: (call: Call, service: CatalogService) => Promise<Answer>
}

export type Handlers = Partial<Readonly<Record<EndpointName, Handler>>>

export const NO_CONTENT: Answer = { status: 204 }

export function answer(body: unknown, etag?: string): Answer {
  return { status: 200, body, ...(etag === undefined ? {} : { etag }) }
}

export function identifierOf(call: Call): TableIdentifier {
  return { namespace: call.namespace, name: call.name }
}

/** What a client sent, read by `parse`: its mistakes are the request's, not the server's. */
export function parsed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (isIcebergError(error)) throw badRequest(`Cannot parse the request: ${error.message}`)
    throw error
  }
}
