import { IcebergError } from '../error.js'
import { asObject, asString } from '../spec/json-value.js'
import { RestClient, type TokenSource, type Transport } from './rest-client.js'

export interface OAuthOptions extends Transport {
  /** `client-id:client-secret`, or the secret alone. */
  readonly credential: string
  /** Where tokens are had: an absolute address. */
  readonly uri: string
  /** Used first, until the catalog refuses it. */
  readonly token?: string
  /** Default `catalog`. */
  readonly scope?: string
  readonly audience?: string
  readonly resource?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A token is renewed this long before it expires, but not before nine tenths of its life are over. */
const EARLY_MS = 300_000
const LIFE_BY_DEFAULT_MS = 3_600_000

/** Tokens by the client-credentials flow of OAuth 2 (RFC 6749, 4.4), each used until shortly before it expires. */
export class OAuthTokens implements TokenSource {
  readonly #options: OAuthOptions
  readonly #client: RestClient
  #held: { readonly token: string; readonly renewAtMs: number } | undefined
  /** Requests that need a token at the same time share one exchange. */
  #fetching: Promise<string> | undefined

  constructor(options: OAuthOptions) {
    this.#options = options
    if (options.token !== undefined)
      this.#held = { token: options.token, renewAtMs: Number.POSITIVE_INFINITY }
    const tokens = { token: () => Promise.resolve(undefined), renew: () => false }
    this.#client = new RestClient({ ...options, headers: options.headers ?? {}, tokens, keepsKeys: false })
  }

  token(): Promise<string> {
    if (this.#held !== undefined && this.#options.now() < this.#held.renewAtMs) {
      return Promise.resolve(this.#held.token)
    }
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined))
    return this.#fetching
  }

  renew(token: string | undefined): boolean {
    if (this.#held?.token === token) this.#held = undefined
    return true
  }

  async #fetch(): Promise<string> {
    const { credential, uri, scope = 'catalog', audience, resource, now } = this.#options
    const colon = credential.indexOf(':')
    const startedMs = now()
    const { body } = await this.#client.send({
      what: `get a token from ${uri}`,
      method: 'POST',
      path: uri,
      changes: false,
      form: {
        grant_type: 'client_credentials',
        ...(colon < 0 ? {} : { client_id: credential.slice(0, colon) }),
        client_secret: credential.slice(colon + 1),
        scope,
        ...(audience === undefined ? {} : { audience }),
        ...(resource === undefined ? {} : { resource }),
      },
      refusals: { 400: 'invalid-argument', 404: 'invalid-argument' },
    })
    const answer = asObject(body, "the token server's answer")
    const token = asString(answer['access_token'], 'access_token')
    if (token === '') throw new IcebergError('data-invalid', `the token server ${uri} gave an empty token`)
    const seconds = Number(answer['expires_in'] ?? Number.NaN)
    const lifeMs = Number.isFinite(seconds) ? seconds * 1000 : LIFE_BY_DEFAULT_MS
    this.#held = { token, renewAtMs: startedMs + lifeMs - Math.min(EARLY_MS, lifeMs / 10) }
    return token
  }
}

/** One token for good. */
export class FixedToken implements TokenSource {
  readonly #token: string | undefined

  constructor(token?: string) {
    this.#token = token
  }

  token(): Promise<string | undefined> {
    return Promise.resolve(this.#token)
  }

  renew(): boolean {
    return false
  }
}
