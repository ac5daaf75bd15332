#!/usr/bin/env node
// Makes a new Garage v2 node usable through its admin API: layout, key, buckets, permissions. Can run again at any time.
const {
  GARAGE_ADMIN_URL: url,
  GARAGE_ADMIN_TOKEN: token,
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
} = process.env
const buckets = process.argv.slice(2)
const CAPACITY_BYTES = 10_000_000_000

async function call(method, path, body) {
  const response = await fetch(`${url}/v2/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (response.ok) return text === '' ? undefined : JSON.parse(text)
  if (response.status === 404) return undefined
  console.error(`${method} ${path.split('?')[0]} answered ${response.status}: ${text}`)
  process.exit(1)
}

const layout = await call('GET', 'GetClusterLayout')
if (layout.roles.length === 0) {
  const status = await call('GET', 'GetClusterStatus')
  await call('POST', 'UpdateClusterLayout', {
    roles: [{ id: status.nodes[0].id, zone: 'one', capacity: CAPACITY_BYTES, tags: [] }],
  })
  await call('POST', 'ApplyClusterLayout', { version: layout.version + 1 })
}
const known = await call('GET', 'ListKeys')
if (!known.some((key) => key.id === accessKeyId))
  await call('POST', 'ImportKey', { accessKeyId, secretAccessKey, name: 'firn' })
for (const globalAlias of buckets) {
  const bucket =
    (await call('GET', `GetBucketInfo?globalAlias=${encodeURIComponent(globalAlias)}`)) ??
    (await call('POST', 'CreateBucket', { globalAlias }))
  await call('POST', 'AllowBucketKey', {
    bucketId: bucket.id,
    accessKeyId,
    permissions: { read: true, write: true, owner: true },
  })
  console.log(`bucket ${globalAlias} is ready`)
}
