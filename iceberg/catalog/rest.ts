import { setTimeout as sleepMs } from 'node:timers/promises'
import { IcebergError, isIcebergError } from '../error.js'
import type { FileIO } from '../io/file-io.js'
import { mergeConfig, parseCatalogConfig, type CatalogConfig } from '../rest/catalog-config.js'
import { DEFAULT_ENDPOINTS, ENDPOINTS } from '../rest/endpoint.js'
import { FixedToken, OAuthTokens } from '../rest/oauth-tokens.js'
import { RestClient, type TokenSource, type Transport } from '../rest/rest-client.js'
import type { Catalog } from './catalog.js'
import { RestCatalog } from './rest-catalog.js'
import { RestConnection } from './rest-connection.js'
import { RestPaths } from './rest-paths.js'

/** Which REST catalog server to talk to, and how. `token` and `credential` never appear in an error. */
export interface RestCatalogOptions {
  readonly name: string
  /** Of the server, before its `/v1`. */
  readonly uri: string
  /** Which of the server's warehouses. */
  readonly warehouse?: string
  /** A bearer token. */
  readonly token?: string
  /** `client-id:client-secret` of OAuth 2, exchanged for tokens. */
  readonly credential?: string
  /**
   * Further settings by the names that other clients use: `oauth2-server-uri`, `scope`, `audience`, `header.<name>`,
   * `s3.endpoint` and so on. The server's overrides come before them, its defaults after them.
   */
  readonly properties?: Readonly<Record<string, string>>
  /** A store by such settings: the catalog's, or with what the server lends for a table. */
  readonly openIO: (properties: Readonly<Record<string, string>>) => FileIO
  /** States that this server commits several tables all or none. Firn's own is known to do so. */
  readonly publish?: 'transactional'
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newUuid: () => string
  /** For one attempt of one request. Default 60 s. */
  readonly timeoutMs?: number
  /** Of one answer. Default 512 MiB. */
  readonly maxResponseBytes?: number
  /** Attempts of a request that may be repeated, the first included. Default 5. */
  readonly tries?: number
  readonly sleep?: (ms: number) => Promise<unknown>
}

/** Opens a catalog behind a REST server (Iceberg REST Open API): asks for its configuration and keeps to it. */
export async function openRestCatalog(options: RestCatalogOptions): Promise<Catalog> {
  const transport: Transport = {
    limits: {
      timeoutMs: options.timeoutMs ?? 60_000,
      maxBytes: options.maxResponseBytes ?? 512 * 1_048_576,
    },
    tries: options.tries ?? 5,
    now: options.now,
    newUuid: options.newUuid,
    sleep: options.sleep ?? sleepMs,
  }
  const uri = baseOf(options.uri)
  const given = propertiesOf(options, uri)
  const config = await readConfig(uri, given, transport)
  const properties = mergeConfig(config, given)
  const server = new RestConnection({
    client: clientFor(
      overTls(uri, baseOf(properties['uri'] ?? uri)),
      properties,
      transport,
      config['idempotency-key-lifetime'] !== undefined,
    ),
    paths: new RestPaths(properties),
    properties,
    endpoints: new Set(config.endpoints ?? DEFAULT_ENDPOINTS.map((name) => ENDPOINTS[name])),
  })
  return new RestCatalog({
    name: options.name,
    server,
    openIO: options.openIO,
    now: options.now,
    ...(options.publish === undefined ? {} : { publish: options.publish }),
  })
}

type Properties = Readonly<Record<string, string>>

function propertiesOf(
  { properties = {}, token, credential, warehouse }: RestCatalogOptions,
  uri: string,
): Properties {
  const given: Properties = {
    ...properties,
    uri,
    ...(token === undefined ? {} : { token }),
    ...(credential === undefined ? {} : { credential }),
    ...(warehouse === undefined ? {} : { warehouse }),
  }
  if (given['rest.sigv4-enabled'] !== 'true') return given
  throw new IcebergError(
    'unsupported',
    'requests signed by SigV4 are not supported; use a token or a credential',
  )
}

/**
 * Where no token server is named, the configuration may name it: it is asked for without identity first, and with a token
 * from the catalog's own (deprecated) token endpoint if that is refused.
 */
async function readConfig(uri: string, given: Properties, transport: Transport): Promise<CatalogConfig> {
  const query = given['warehouse'] === undefined ? '' : `?warehouse=${encodeURIComponent(given['warehouse'])}`
  const ask = async (properties: Properties): Promise<CatalogConfig> => {
    const client = clientFor(uri, properties, transport, false)
    const { body } = await client.send({
      what: `read the configuration of the catalog at ${uri}`,
      method: 'GET',
      path: `v1/config${query}`,
    })
    return parseCatalogConfig(body)
  }
  const { credential, ...anonymous } = given
  const mayAskFirst =
    credential !== undefined && given['token'] === undefined && given['oauth2-server-uri'] === undefined
  if (!mayAskFirst) return await ask(given)
  try {
    return await ask(anonymous)
  } catch (error) {
    if (!isIcebergError(error) || ![401, 403].includes(Number(error.context['status']))) throw error
    return await ask(given)
  }
}

function clientFor(
  uri: string,
  properties: Properties,
  transport: Transport,
  keepsKeys: boolean,
): RestClient {
  const headers = headersOf(properties)
  return new RestClient({
    ...transport,
    uri,
    headers,
    keepsKeys,
    tokens: tokensFor(uri, properties, transport),
  })
}

function tokensFor(uri: string, properties: Properties, transport: Transport): TokenSource {
  const { credential, token, scope, audience, resource } = properties
  if (credential === undefined) return new FixedToken(token)
  return new OAuthTokens({
    ...transport,
    credential,
    uri: tokenServer(uri, properties['oauth2-server-uri'] ?? 'v1/oauth/tokens'),
    headers: headersOf(properties),
    ...(token === undefined ? {} : { token }),
    ...(scope === undefined ? {} : { scope }),
    ...(audience === undefined ? {} : { audience }),
    ...(resource === undefined ? {} : { resource }),
  })
}

function tokenServer(uri: string, named: string): string {
  return overTls(uri, /^https?:/.test(named) ? named : `${uri}/${named.replace(/^\//, '')}`)
}

/** No secret goes in clear to an address that the server named, where the catalog itself is spoken to over TLS. */
function overTls(uri: string, address: string): string {
  if (uri.startsWith('http:') || address.startsWith('https:')) return address
  throw new IcebergError(
    'invalid-argument',
    `${address} is not spoken to over TLS, as the catalog is; have the server name an https address`,
  )
}

/** `header.x-tenant` → `x-tenant` */
function headersOf(properties: Properties): Readonly<Record<string, string>> {
  const named = Object.entries(properties).filter(([key]) => key.startsWith('header.'))
  return Object.fromEntries(named.map(([key, value]) => [key.slice('header.'.length).toLowerCase(), value]))
}

/** Without a slash at its end, and without the `/v1` that people copy from a browser. */
function baseOf(uri: string): string {
  const base = uri.replace(/\/+$/, '').replace(/\/v1$/, '')
  const url = URL.canParse(base) ? new URL(base) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new IcebergError(
      'invalid-argument',
      `${shown(base)} is not the address of a catalog; give one like https://host/path`,
    )
  }
  if (url.username === '' && url.password === '') return base
  throw new IcebergError(
    'invalid-argument',
    `the address of the catalog at ${url.host} holds a user or password; give a token or credential`,
  )
}

function shown(uri: string): string {
  return JSON.stringify(uri.replace(/\/\/[^/@]*@/, '//***@'))
}
