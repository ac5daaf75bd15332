import type { Connection } from '@temporalio/client'
import type { NativeConnection } from '@temporalio/worker'
import { FirnError } from '../schemas/error.js'
import { SEARCH_ATTRIBUTES } from '../schemas/workflow-names.js'

/** INDEXED_VALUE_TYPE_KEYWORD of Temporal's API. */
const KEYWORD = 2

/**
 * Registers our search attributes where they are missing: a workflow that sets an unknown one hangs. Where the server
 * doesn't let us look (a hosted one), nothing is done. Throws `config` with the command that an operator has to run.
 */
export async function ensureSearchAttributes(
  connection: Connection | NativeConnection,
  namespace: string,
): Promise<void> {
  const registered = await list(connection, namespace)
  if (registered === undefined) return
  const missing = Object.values(SEARCH_ATTRIBUTES).filter((name) => !registered.has(name))
  if (missing.length === 0) return
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
    })
  } catch (cause) {
    const command = `temporal operator search-attribute create --namespace ${namespace} ${missing.map((name) => `--name ${name} --type Keyword`).join(' ')}`
    throw new FirnError(
      'config',
      `the search attributes ${missing.join(', ')} are not registered in namespace "${namespace}" and this process may not do it: run \`${command}\`.`,
      { cause },
    )
  }
}

async function list(
  connection: Connection | NativeConnection,
  namespace: string,
): Promise<ReadonlySet<string> | undefined> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
    return new Set(Object.keys(customAttributes))
  } catch {
    return undefined
  }
}
