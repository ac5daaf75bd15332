import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { IcebergError } from '../../iceberg/error.js'
import { Problem } from './problem.js'

export type Role = 'read' | 'write'

export interface Grant {
  /** A namespace with all below it; `*` is every one. */
  readonly namespace: string
  /** `write` may read too. */
  readonly role: Role
}

/** Who asks, and what they may do. */
export interface Principal {
  readonly name: string
  readonly grants: readonly Grant[]
}

interface KnownToken extends Principal {
  readonly sha256: Buffer
}

export type TokenList = readonly KnownToken[]

/** For a server that only this machine can reach. */
const EVERYBODY: Principal = { name: 'local', grants: [{ namespace: '*', role: 'write' }] }

const TOKENS = z
  .array(
    z
      .strictObject({
        token: z.string().min(16).optional(),
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/i)
          .optional(),
        name: z.string().min(1),
        grants: z.array(z.strictObject({ namespace: z.string().min(1), role: z.enum(['read', 'write']) })),
      })
      .refine((one) => (one.token === undefined) !== (one.sha256 === undefined), {
        message: 'give either token or sha256',
      }),
  )
  .min(1)

/**
 * A tokens file: `[{token or sha256, name, grants: [{namespace, role}]}]`. Throws `invalid-argument`, without the file's
 * values: they are secrets.
 */
export function parseTokens(text: string, source: string): TokenList {
  const parsed = TOKENS.safeParse(jsonOrUndefined(text))
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`)
    throw new IcebergError(
      'invalid-argument',
      `the tokens file ${source} is not a list of {token or sha256, name, grants: [{namespace, role}]}: ${wrong.join('; ')}`,
    )
  }
  const tokens = parsed.data.map(({ token, sha256, name, grants }) => ({
    name,
    grants,
    sha256: token === undefined ? Buffer.from(sha256 ?? '', 'hex') : hash(token),
  }))
  const names = new Set(tokens.map((token) => token.name))
  if (names.size < tokens.length) {
    throw new IcebergError('invalid-argument', `the tokens file ${source} has one name twice; rename one`)
  }
  const hashes = new Set(tokens.map((token) => token.sha256.toString('hex')))
  if (hashes.size < tokens.length) {
    throw new IcebergError(
      'invalid-argument',
      `the tokens file ${source} gives two names the same token; make a new one`,
    )
  }
  return tokens
}

/** Who sent `Authorization: Bearer …`. Every known token is compared, so that time tells nothing. */
export function authenticate(tokens: TokenList | undefined, header: string | undefined): Principal {
  if (tokens === undefined) return EVERYBODY
  const [, token] = /^Bearer +(\S+)$/i.exec(header ?? '') ?? []
  const given = hash(token ?? '')
  let found: Principal | undefined
  for (const known of tokens) if (timingSafeEqual(known.sha256, given)) found = known
  if (token !== undefined && found !== undefined) return found
  throw new Problem(
    401,
    'NotAuthorizedException',
    header === undefined ? 'this server wants Authorization: Bearer <token>' : 'the token is not valid here',
  )
}

export function mayAccess(who: Principal, namespace: string, role: Role): boolean {
  return who.grants.some(
    (grant) => (role === 'read' || grant.role === 'write') && covers(grant.namespace, namespace),
  )
}

/** A namespace above a readable one is listed too: it is the way there. */
export function maySee(who: Principal, namespace: string): boolean {
  return (
    mayAccess(who, namespace, 'read') ||
    who.grants.some((grant) => grant.namespace.startsWith(`${namespace}.`))
  )
}

export function requireAccess(who: Principal, namespace: string, role: Role): void {
  if (mayAccess(who, namespace, role)) return
  throw new Problem(403, 'ForbiddenException', `${who.name} may not ${role} namespace ${namespace}`)
}

function covers(granted: string, namespace: string): boolean {
  return granted === '*' || namespace === granted || namespace.startsWith(`${granted}.`)
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
