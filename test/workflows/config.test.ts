import { describe, expect, it } from 'vitest'
import { batchOfDate } from '../../schemas/scheduled-instant.js'
import { readConfig } from '../../workers/config.js'

describe('configuration', () => {
  it('needs nothing: everything lies under .firn, no Temporal address, no TLS', () => {
    expect(readConfig({}, '/project')).toMatchObject({
      home: '/project/.firn',
      catalogName: 'firn',
      catalogPath: '/project/.firn/catalog.db',
      registryPath: '/project/.firn/registry.db',
      warehouse: 'file:///project/.firn/warehouse',
      temporal: { namespace: 'default' },
      settings: {
        stagingLeaseMs: 604_800_000,
        orphanMinAgeMs: 259_200_000,
        landingRoot: '/project/.firn/landing',
      },
    })
  })

  it('takes paths from where it was started; an empty variable is not set', () => {
    const config = readConfig({ FIRN_HOME: 'lake', FIRN_WAREHOUSE: 'w', FIRN_CATALOG_NAME: '' }, '/p')
    expect(config).toMatchObject({ home: '/p/lake', warehouse: 'file:///p/w', catalogName: 'firn' })
  })

  it('keeps raw objects for ever where no retention is set', () => {
    expect(readConfig({}, '/p').settings.rawRetentionMs).toBeUndefined()
    expect(readConfig({ FIRN_RAW_RETENTION_DAYS: '1.5' }, '/p').settings.rawRetentionMs).toBe(129_600_000)
  })

  it('takes a bucket and how it is reached', () => {
    const env = {
      FIRN_WAREHOUSE: 's3://bucket/lake/',
      FIRN_S3_ENDPOINT: 'http://127.0.0.1:9000',
      FIRN_S3_PATH_STYLE: 'false',
      FIRN_CACHE_MB: '2',
    }
    expect(readConfig(env, '/p')).toMatchObject({
      warehouse: 's3://bucket/lake',
      s3: { endpoint: 'http://127.0.0.1:9000', pathStyle: false },
      cacheBytes: 2_097_152,
    })
    expect(readConfig({ FIRN_WAREHOUSE: 's3a://bucket' }, '/p').warehouse).toBe('s3a://bucket')
  })

  it('an API key brings TLS with it', () => {
    expect(readConfig({ TEMPORAL_API_KEY: 'k' }, '/p').temporal).toMatchObject({ apiKey: 'k', tls: {} })
    expect(readConfig({ TEMPORAL_API_KEY: 'k', TEMPORAL_TLS: 'false' }, '/p').temporal.tls).toBeUndefined()
  })

  it.each([
    [{ FIRN_THREADS: 'many' }, /FIRN_THREADS/],
    [{ FIRN_RAW_RETENTION_DAYS: '0' }, /FIRN_RAW_RETENTION_DAYS/],
    [{ FIRN_WAREHOUSE: 'gs://bucket' }, /FIRN_WAREHOUSE.*"gs".*give a path or s3:/],
    [{ FIRN_S3_ENDPOINT: 'minio:9000' }, /FIRN_S3_ENDPOINT/],
    [{ FIRN_S3_PATH_STYLE: 'maybe' }, /FIRN_S3_PATH_STYLE/],
    [{ TEMPORAL_TLS_CLIENT_CERT_PATH: 'a' }, /belong together/],
    [{ TEMPORAL_TLS_SERVER_CA_CERT_PATH: '/no/ca.pem' }, /\/no\/ca\.pem can't be read/],
  ])('refuses %j and says what to do', (env, message) => {
    expect(() => readConfig(env, '/p')).toThrow(message)
  })
})

describe('the batch of a date', () => {
  it.each<[string, string | undefined, string | undefined, string]>([
    ['2026-07-01', undefined, undefined, '20260701T020000Z'],
    ['2026-07-01', '30 1 * * *', 'UTC', '20260701T013000Z'],
    ['2026-07-01', '0 2 * * *', 'Asia/Tokyo', '20260630T170000Z'],
    ['2026-03-28', '0 2 * * *', 'Europe/Berlin', '20260328T010000Z'],
    ['2026-03-30', '0 2 * * *', 'Europe/Berlin', '20260330T000000Z'],
    ['2026-10-25', '0 4 * * *', 'Europe/Berlin', '20261025T030000Z'],
  ])('%s at "%s" in %s is %s', (date, nightly, timezone, batch) => {
    const schedule =
      nightly === undefined ? undefined : { nightly, ...(timezone === undefined ? {} : { timezone }) }
    expect(batchOfDate(date, schedule)).toBe(batch)
  })

  it('needs a calendar date and a single time of day', () => {
    expect(() => batchOfDate('2026-02-30')).toThrow(/no calendar date/)
    expect(() => batchOfDate('2026-02-03', { nightly: '*/5 * * * *' })).toThrow(/give the batch id/)
  })
})
