import type { IcebergErrorKind } from '../error.js'
import { parseViewResult } from '../rest/view-documents.js'
import { renameDocument } from '../rest/table-documents.js'
import { toWireIdentifier } from '../rest/wire-names.js'
import type { CreateView, LoadedView, TableIdentifier, ViewCatalog, ViewCommit } from './catalog.js'
import { formatIdentifier } from './catalog.js'
import { COMMIT_REFUSALS } from './rest-commit.js'
import { identifiersIn, type RestConnection } from './rest-connection.js'

const CREATE_REFUSALS: Readonly<Record<number, IcebergErrorKind>> = {
  404: 'not-found',
  409: 'already-exists',
}

/** The views of a REST catalog. */
export class RestViews implements ViewCatalog {
  readonly #server: RestConnection

  constructor(server: RestConnection) {
    this.#server = server
  }

  async createView({ identifier, schema, version, location, properties }: CreateView): Promise<LoadedView> {
    const { body } = await this.#server.send('createView', {
      what: `create view ${formatIdentifier(identifier)}`,
      path: this.#server.paths.views(identifier.namespace),
      body: {
        name: identifier.name,
        location,
        schema,
        'view-version': { ...version, 'version-id': 1, 'schema-id': schema['schema-id'] },
        properties: properties ?? {},
      },
      refusals: CREATE_REFUSALS,
    })
    return { identifier, ...parseViewResult(body) }
  }

  async loadView(identifier: TableIdentifier): Promise<LoadedView> {
    const { body } = await this.#server.send('loadView', {
      what: `load view ${formatIdentifier(identifier)}`,
      path: this.#server.paths.view(identifier),
    })
    return { identifier, ...parseViewResult(body) }
  }

  async listViews(namespace: string): Promise<readonly TableIdentifier[]> {
    const path = this.#server.paths.views(namespace)
    return await this.#server.list(
      'listViews',
      { what: `list the views of ${namespace}`, path },
      identifiersIn,
    )
  }

  async commitView({ identifier, requirements, updates }: ViewCommit): Promise<LoadedView> {
    const { body } = await this.#server.send('replaceView', {
      what: `commit to view ${formatIdentifier(identifier)}`,
      path: this.#server.paths.view(identifier),
      body: { identifier: toWireIdentifier(identifier), requirements, updates },
      refusals: COMMIT_REFUSALS,
    })
    return { identifier, ...parseViewResult(body) }
  }

  async renameView(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    await this.#server.send('renameView', {
      what: `rename view ${formatIdentifier(from)} to ${formatIdentifier(to)}`,
      path: this.#server.paths.under('views/rename'),
      body: renameDocument(from, to),
    })
  }

  async dropView(identifier: TableIdentifier): Promise<void> {
    await this.#server.send('dropView', {
      what: `drop view ${formatIdentifier(identifier)}`,
      path: this.#server.paths.view(identifier),
    })
  }
}
