import { asObject, asString, asStringMap, asStrings } from '../spec/json-value.js'

/** What `GET /v1/config` answers. */
export interface CatalogConfig {
  /** Hold where the client says nothing. */
  readonly defaults: Readonly<Record<string, string>>
  /** Hold whatever the client says. */
  readonly overrides: Readonly<Record<string, string>>
  /** `GET /v1/{prefix}/namespaces` and so on; absent: the server names none. */
  readonly endpoints?: readonly string[]
  /** An ISO-8601 duration; present: the server takes idempotency keys. */
  readonly 'idempotency-key-lifetime'?: string
}

export function parseCatalogConfig(document: unknown): CatalogConfig {
  const config = asObject(document, 'the configuration')
  const { endpoints, 'idempotency-key-lifetime': lifetime } = config
  return {
    defaults: asStringMap(config['defaults'], 'defaults'),
    overrides: asStringMap(config['overrides'], 'overrides'),
    ...(endpoints === undefined || endpoints === null
      ? {}
      : { endpoints: asStrings(endpoints, 'endpoints') }),
    ...(lifetime === undefined || lifetime === null
      ? {}
      : { 'idempotency-key-lifetime': asString(lifetime, 'idempotency-key-lifetime') }),
  }
}

/** The client's settings between the server's defaults and overrides. */
export function mergeConfig(
  config: CatalogConfig,
  properties: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return { ...config.defaults, ...properties, ...config.overrides }
}
