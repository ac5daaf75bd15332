import { IcebergError, type IcebergErrorKind } from '../error.js'
import { tableCommitDocument, transactionDocument } from '../rest/table-documents.js'
import type { TableCommit } from './catalog.js'
import { formatIdentifier } from './catalog.js'
import type { RestConnection } from './rest-connection.js'

/** Refusals of a commit. What the server may have begun is not among them: that is unknown. */
export const COMMIT_REFUSALS: Readonly<Record<number, IcebergErrorKind>> = {
  400: 'commit-rejected',
  401: 'commit-rejected',
  403: 'commit-rejected',
  404: 'not-found',
  409: 'commit-conflict',
  413: 'commit-rejected',
  419: 'commit-rejected',
  422: 'commit-rejected',
}

/** Commits one table; what the server answers. */
export async function commitTable(
  server: RestConnection,
  commit: TableCommit,
  token?: string,
): Promise<{ readonly body: unknown; readonly etag?: string }> {
  const { body, headers } = await server.send('updateTable', {
    what: `commit to ${formatIdentifier(commit.identifier)}`,
    path: server.paths.table(commit.identifier),
    body: tableCommitDocument(commit),
    refusals: COMMIT_REFUSALS,
    ...(token === undefined ? {} : { token }),
  })
  const etag = headers.get('etag')
  return { body, ...(etag === null ? {} : { etag }) }
}

/** Commits several tables in one request, whose answer says nothing of them. */
export async function commitTables(server: RestConnection, commits: readonly TableCommit[]): Promise<void> {
  for (const { identifier } of commits) server.paths.table(identifier)
  await server.send('commitTransaction', {
    what: `commit to ${commits.map((commit) => formatIdentifier(commit.identifier)).join(', ')}`,
    path: server.paths.under('transactions/commit'),
    body: transactionDocument(commits),
    refusals: COMMIT_REFUSALS,
  })
}

/**
 * Throws `unsupported` unless several tables can be committed all or none: on Firn's own server, which is known by its
 * endpoint for loading several tables, or where the user answers for the server with `publish: 'transactional'`.
 * That a server takes the call proves nothing: Apache's own commits table by table.
 */
export function checkAtomic(
  server: RestConnection,
  commits: readonly TableCommit[],
  publish?: 'transactional',
): void {
  const known = server.offers('loadTables') || publish === 'transactional'
  if (known && server.offers('commitTransaction')) return
  const tables = commits.map((commit) => formatIdentifier(commit.identifier))
  throw new IcebergError(
    'unsupported',
    known
      ? `the catalog server can't commit ${tables.join(', ')} together: it does not offer transactions/commit`
      : `nothing is known of whether the catalog server commits ${tables.join(', ')} all or none; if it does, say publish: 'transactional'`,
    { context: { tables } },
  )
}
