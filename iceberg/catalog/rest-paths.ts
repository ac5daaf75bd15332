import { encodeName, encodeNamespace, NAMESPACE_SEPARATOR } from '../rest/wire-names.js'
import type { TableIdentifier } from './catalog.js'

/** The paths of a REST catalog from `v1/` on, under its prefix. */
export class RestPaths {
  readonly #root: string
  readonly #separator: string

  /** By the catalog's settings `prefix` and `namespace-separator`. */
  constructor(properties: Readonly<Record<string, string>>) {
    const prefix = (properties['prefix'] ?? '').replace(/^\/+|\/+$/g, '')
    this.#root = prefix === '' ? 'v1' : `v1/${encodePrefix(prefix)}`
    this.#separator = properties['namespace-separator'] ?? NAMESPACE_SEPARATOR
  }

  namespaces(): string {
    return `${this.#root}/namespaces`
  }

  namespace(namespace: string): string {
    return `${this.namespaces()}/${this.encode(namespace)}`
  }

  tables(namespace: string): string {
    return `${this.namespace(namespace)}/tables`
  }

  table({ namespace, name }: TableIdentifier): string {
    return `${this.tables(namespace)}/${encodeName(name)}`
  }

  views(namespace: string): string {
    return `${this.namespace(namespace)}/views`
  }

  view({ namespace, name }: TableIdentifier): string {
    return `${this.views(namespace)}/${encodeName(name)}`
  }

  /** `tables/rename`, `transactions/commit` and so on. */
  under(path: string): string {
    return `${this.#root}/${path}`
  }

  /** A namespace as a segment of a path or a value of a query. */
  encode(namespace: string): string {
    if (namespace === '') encodeName(namespace)
    return encodeNamespace(namespace, this.#separator)
  }
}

/** Some servers send their prefix encoded (Nessie's `main%7Cwarehouse`), others plain; slashes part its segments. */
function encodePrefix(prefix: string): string {
  return prefix
    .split(/(%[0-9A-Fa-f]{2}|\/)/)
    .map((part, at) => (at % 2 === 1 ? part : encodeURIComponent(part)))
    .join('')
}
