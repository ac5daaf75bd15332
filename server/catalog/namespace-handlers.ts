import { parseNamespaceResult, parseNamespaceUpdate } from '../../iceberg/rest/table-documents.js'
import { decodeNamespace, namespaceLevels } from '../../iceberg/rest/wire-names.js'
import { maySee, requireAccess } from './access.js'
import { answer, type Handlers, NO_CONTENT, parsed } from './call.js'
import { pageOf } from './page.js'
import { Problem } from './problem.js'

const subject = () => ({ kind: 'namespace' }) as const

export const NAMESPACE_HANDLERS: Handlers = {
  listNamespaces: {
    subject,
    async handle({ who, query }, { catalog }) {
      const asked = query['parent'] ?? ''
      const parent = asked === '' ? '' : parsed(() => decodeNamespace(asked))
      const all = (await catalog.listNamespaces(parent)).filter((namespace) => maySee(who, namespace))
      const page = pageOf(all, (namespace) => namespace, query)
      return answer({ 'next-page-token': page.token ?? null, namespaces: page.items.map(namespaceLevels) })
    },
  },
  createNamespace: {
    subject,
    async handle({ who, body }, { catalog }) {
      const { namespace, properties } = parsed(() => parseNamespaceResult(body))
      requireAccess(who, namespace, 'write')
      await catalog.createNamespace(namespace, properties)
      return answer({ namespace: namespaceLevels(namespace), properties })
    },
  },
  loadNamespace: {
    subject,
    async handle(call, { catalog }) {
      requireAccess(call.who, call.namespace, 'read')
      const properties = await catalog.loadNamespace(call.namespace)
      return answer({ namespace: namespaceLevels(call.namespace), properties })
    },
  },
  namespaceExists: {
    subject,
    async handle(call, { catalog }) {
      requireAccess(call.who, call.namespace, 'read')
      await catalog.loadNamespace(call.namespace)
      return NO_CONTENT
    },
  },
  dropNamespace: {
    subject,
    async handle(call, { catalog }) {
      requireAccess(call.who, call.namespace, 'write')
      await catalog.dropNamespace(call.namespace)
      return NO_CONTENT
    },
  },
  updateNamespace: {
    subject,
    async handle(call, { catalog }) {
      requireAccess(call.who, call.namespace, 'write')
      const change = parsed(() => parseNamespaceUpdate(call.body))
      requireOneMeaning(Object.keys(change.set ?? {}), change.remove ?? [])
      return answer(await catalog.updateNamespace(call.namespace, change))
    },
  },
}

/** Java's client refuses such a request itself, with these words. */
function requireOneMeaning(set: readonly string[], remove: readonly string[]): void {
  const both = remove.filter((key) => set.includes(key))
  if (both.length === 0) return
  throw new Problem(
    422,
    'UnprocessableEntityException',
    `Invalid namespace update, cannot simultaneously set and remove keys: [${both.join(', ')}]`,
  )
}
