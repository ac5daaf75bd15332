import { describe, expect, it } from 'vitest'
import type { TableCommit } from '../../iceberg/catalog/catalog.js'
import { expireSnapshots } from '../../iceberg/maintain/expire.js'
import { cherryPick } from '../../iceberg/write/cherry-pick.js'
import { file, newId, TABLE, writeLake } from '../support/write-lake.js'

/** Lets `between` happen once, after the next commit was staged and before the catalog gets it. */
function beforeNextCommit(
  catalog: Awaited<ReturnType<typeof writeLake>>['catalog'],
  between: () => Promise<unknown>,
): void {
  const commit = catalog.commit.bind(catalog)
  catalog.commit = async (commits: readonly TableCommit[]) => {
    catalog.commit = commit
    await between()
    return commit(commits)
  }
}

describe('a staged snapshot that expires while it is published', () => {
  it('is not published: its files are gone', async () => {
    const { catalog, options, append, commit, paths } = await writeLake()
    await append(file(1, 'a'))
    const sourceId = await commit({ kind: 'append', files: [file(1, 'staged')] }, { stageOnly: true })
    await append(file(1, 'b'))
    const expire = () =>
      expireSnapshots({ catalog, identifier: TABLE, nowMs: options.now(), snapshotIds: [sourceId] })
    beforeNextCommit(catalog, expire)
    const pick = cherryPick({ ...options, identifier: TABLE, sourceId, snapshotId: newId() })
    await expect(pick).rejects.toMatchObject({ kind: 'not-found' })
    expect(await paths()).toEqual(['a', 'b'])
  })
})
