import type { TableIdentifier } from '../../iceberg/catalog/catalog.js'
import { identifierPageDocument } from '../../iceberg/rest/table-documents.js'
import { answer, type Answer, type Call } from './call.js'
import { pageOf } from './page.js'

/** The page of a listing of tables or views that the call asks for. */
export function identifierPage(all: readonly TableIdentifier[], { query }: Pick<Call, 'query'>): Answer {
  const { items, token } = pageOf(all, (one) => one.name, query)
  return answer(identifierPageDocument({ identifiers: items, ...(token === undefined ? {} : { token }) }))
}
