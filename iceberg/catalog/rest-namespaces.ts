import { ifFound } from '../error.js'
import { asList, asObject, asString, asStrings } from '../spec/json-value.js'
import {
  createNamespaceDocument,
  namespaceUpdateDocument,
  parseNamespaceResult,
} from '../rest/table-documents.js'
import { namespaceLevels } from '../rest/wire-names.js'
import type { NamespaceChange, NamespaceUpdate, Properties } from './catalog.js'
import type { RestConnection } from './rest-connection.js'

/** The namespaces of a REST catalog. */
export class RestNamespaces {
  readonly #server: RestConnection

  constructor(server: RestConnection) {
    this.#server = server
  }

  async create(namespace: string, properties: Properties): Promise<void> {
    this.#server.paths.encode(namespace)
    await this.#server.send('createNamespace', {
      what: `create namespace ${namespace}`,
      path: this.#server.paths.namespaces(),
      body: createNamespaceDocument(namespace, properties),
      // The parent.
      refusals: { 404: 'not-found', 409: 'already-exists' },
    })
  }

  async load(namespace: string): Promise<Properties> {
    const { body } = await this.#server.send('loadNamespace', {
      what: `load namespace ${namespace}`,
      path: this.#server.paths.namespace(namespace),
    })
    return parseNamespaceResult(body).properties
  }

  async update(namespace: string, { set = {}, remove = [] }: NamespaceChange): Promise<NamespaceUpdate> {
    const { body } = await this.#server.send('updateNamespace', {
      what: `change the properties of namespace ${namespace}`,
      path: `${this.#server.paths.namespace(namespace)}/properties`,
      body: namespaceUpdateDocument({ set, remove }),
    })
    const answer = asObject(body, 'the answer')
    return {
      updated: asStrings(answer['updated'], 'updated'),
      removed: asStrings(answer['removed'], 'removed'),
      missing: asStrings(answer['missing'] ?? [], 'missing'),
    }
  }

  /** All of them are found level by level: one request for each namespace. */
  async list(parent?: string): Promise<readonly string[]> {
    if (parent !== undefined) return await this.#children(parent)
    const found = [...(await this.#children(''))]
    for (const namespace of found) found.push(...((await ifFound(this.#children(namespace))) ?? []))
    return found.sort()
  }

  async drop(namespace: string): Promise<void> {
    await this.#server.send('dropNamespace', {
      what: `drop namespace ${namespace}`,
      path: this.#server.paths.namespace(namespace),
      refusals: { 409: 'not-empty' },
      kindOfType: { NamespaceNotEmptyException: 'not-empty' },
    })
  }

  /** Levels that a dotted name can't say are left out. */
  async #children(parent: string): Promise<readonly string[]> {
    const { paths } = this.#server
    const depth = namespaceLevels(parent).length + 1
    const all = await this.#server.list(
      'listNamespaces',
      {
        what: parent === '' ? 'list the namespaces' : `list the namespaces in ${parent}`,
        path: paths.namespaces() + (parent === '' ? '' : `?parent=${paths.encode(parent)}`),
      },
      (page) => asList(page['namespaces'] ?? [], 'namespaces').map(levelsOf),
    )
    // Servers without nested namespaces answer every question with the topmost ones.
    return all
      .filter(
        (levels) => levels.length === depth && levels.every((level) => level !== '' && !level.includes('.')),
      )
      .map((levels) => levels.join('.'))
      .filter((namespace) => parent === '' || namespace.startsWith(`${parent}.`))
      .sort()
  }
}

function levelsOf(document: unknown): readonly string[] {
  return asList(document, 'a namespace').map((level) => asString(level, 'a level of a namespace'))
}
