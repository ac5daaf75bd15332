// A certificate authority of our own and a server certificate for loopback, made by openssl.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ServiceError, onPath, run } from './packages.mjs'

const EXTENSIONS = `subjectAltName=DNS:localhost,IP:127.0.0.1
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth
`

/** Fills `folder` once with `ca.crt`, which clients trust, and `server.pem`: the server's key and certificates. */
export async function makeCertificates(folder) {
  if (existsSync(folder)) return
  if (onPath('openssl') === undefined)
    throw new ServiceError('a TLS listener needs `openssl` to make its certificates: install it.')
  const making = `${folder}.new`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making, { mode: 0o700 })
  const openssl = (...args) => run('openssl', args, { cwd: making })
  const key = ['-newkey', 'rsa:2048', '-nodes']
  writeFileSync(join(making, 'server.ext'), EXTENSIONS)
  await openssl(
    ...['req', '-x509', '-days', '3650', '-subj', '/CN=Firn development CA', ...key],
    ...['-keyout', 'ca.key', '-out', 'ca.crt'],
  )
  await openssl(...['req', '-subj', '/CN=localhost', ...key, '-keyout', 'server.key', '-out', 'server.csr'])
  await openssl(
    ...['x509', '-req', '-days', '3650', '-in', 'server.csr', '-extfile', 'server.ext', '-out', 'server.crt'],
    ...['-CA', 'ca.crt', '-CAkey', 'ca.key', '-set_serial', String(Date.now())],
  )
  const parts = ['server.key', 'server.crt', 'ca.crt'].map((name) => readFileSync(join(making, name), 'utf8'))
  writeFileSync(join(making, 'server.pem'), parts.join(''), { mode: 0o600 })
  for (const name of ['ca.key', 'server.key', 'server.crt', 'server.csr', 'server.ext'])
    rmSync(join(making, name))
  renameSync(making, folder)
}
