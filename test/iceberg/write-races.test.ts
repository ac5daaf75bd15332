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

describe('metadata files that go as soon as the log lets go of them', () => {
  const SHORT_LOG = {
    'write.metadata.delete-after-commit.enabled': 'true',
    'write.metadata.previous-versions-max': '1',
  }

  /** Lets `between` happen once, after the pointer was read and before its file is. */
  function beforeNextRead(lake: Awaited<ReturnType<typeof writeLake>>, between: () => Promise<unknown>) {
    const { io } = lake.catalog
    const read = io.read.bind(io)
    io.read = async (location, range) => {
      if (!location.endsWith('.metadata.json')) return read(location, range)
      io.read = read
      await between()
      return read(location, range)
    }
    // Another process's catalog, which has read nothing yet.
    return lake.another()
  }

  it.each([['load'], ['commit']])(
    'do not get in the way of a %s that read the pointer before',
    async (what) => {
      const lake = await writeLake(SHORT_LOG)
      await lake.append(file(1, 'a'))
      const moveOn = async () => {
        for (const name of ['b', 'c', 'd']) await lake.append(file(1, name))
      }
      const other = beforeNextRead(lake, moveOn)
      if (what === 'load') {
        const { metadata } = await other.loadTable(TABLE)
        expect(metadata.snapshots).toHaveLength(4)
      } else {
        const updates = [{ action: 'set-properties', updates: { x: 'y' } }] as const
        await other.commit([{ identifier: TABLE, requirements: [], updates }])
        expect((await lake.metadata()).properties).toMatchObject({ x: 'y' })
        expect(await lake.paths()).toEqual(['a', 'b', 'c', 'd'])
      }
    },
  )

  it('are missed where the pointer stands, and where there is no table', async () => {
    const lake = await writeLake()
    const { metadataLocation } = await lake.catalog.loadTable(TABLE)
    await lake.catalog.io.delete(metadataLocation)
    const error = { kind: 'not-found' }
    await expect(lake.another().loadTable(TABLE)).rejects.toMatchObject(error)
    await expect(lake.another().loadTable({ namespace: 'm', name: 'none' })).rejects.toMatchObject(error)
  })
})
