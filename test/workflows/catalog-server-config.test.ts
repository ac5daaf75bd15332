import { describe, expect, it } from 'vitest'
import { readConfig } from '../../workers/config.js'

describe('settings of a catalog server', () => {
  it('none is named: the catalog is a database in the lake', () => {
    expect(readConfig({}, '/p').catalogServer).toBeUndefined()
  })

  it('takes address, identity and further settings', () => {
    const env = {
      FIRN_CATALOG_URI: 'https://catalog/path',
      FIRN_CATALOG_WAREHOUSE: 'w',
      FIRN_CATALOG_CREDENTIAL: 'id:secret',
      FIRN_CATALOG_TOKEN: '',
      FIRN_CATALOG_PUBLISH: 'transactional',
      FIRN_CATALOG_PROPERTIES: '{"scope": "s"}',
    }
    expect(readConfig(env, '/p').catalogServer).toEqual({
      uri: 'https://catalog/path',
      warehouse: 'w',
      credential: 'id:secret',
      publish: 'transactional',
      properties: { scope: 's' },
    })
  })

  it.each([
    [{ FIRN_CATALOG_URI: 'ftp://x' }, /FIRN_CATALOG_URI/],
    [{ FIRN_CATALOG_TOKEN: 'hunter2' }, /FIRN_CATALOG_TOKEN is for a catalog server/],
    [{ FIRN_CATALOG_URI: 'http://x', FIRN_CATALOG_PUBLISH: 'yes' }, /FIRN_CATALOG_PUBLISH/],
    [
      { FIRN_CATALOG_URI: 'http://x', FIRN_CATALOG_PROPERTIES: '{"token": 1}' },
      /FIRN_CATALOG_PROPERTIES is not/,
    ],
    [{ FIRN_CATALOG_URI: 'http://x', FIRN_CATALOG_PROPERTIES: 'hunter2' }, /FIRN_CATALOG_PROPERTIES is not/],
  ])('refuses %j without showing a value', (env, message) => {
    expect(() => readConfig(env, '/p')).toThrow(message)
    expect(() => readConfig(env, '/p')).not.toThrow(/hunter2/)
  })
})
