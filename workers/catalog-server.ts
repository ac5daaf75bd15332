import { z } from 'zod'
import { FirnError } from '../schemas/error.js'
import { parseTexts } from './parse-texts.js'

/** A REST server that keeps the lake's catalog, in place of the SQLite database of the lake's folder. */
export interface CatalogServer {
  readonly uri: string
  readonly warehouse?: string
  readonly token?: string
  readonly credential?: string
  readonly publish?: 'transactional'
  readonly properties: Readonly<Record<string, string>>
}

const text = z.string().min(1).optional()

/** Of the environment. */
export const CATALOG_SERVER = {
  FIRN_CATALOG_URI: z.url({ protocol: /^https?$/ }).optional(),
  FIRN_CATALOG_WAREHOUSE: text,
  FIRN_CATALOG_TOKEN: text,
  FIRN_CATALOG_CREDENTIAL: text,
  FIRN_CATALOG_PUBLISH: z.literal('transactional').optional(),
  FIRN_CATALOG_PROPERTIES: text,
}

type Given = z.infer<z.ZodObject<typeof CATALOG_SERVER>>

/** Undefined where the environment names none. Throws `config`, without the values: some are secrets. */
export function catalogServer(given: Given): CatalogServer | undefined {
  const { FIRN_CATALOG_URI: uri, ...others } = given
  if (uri === undefined) {
    const alone = Object.keys(CATALOG_SERVER).find(
      (name) => others[name as keyof typeof others] !== undefined,
    )
    if (alone === undefined) return undefined
    throw new FirnError(
      'config',
      `${alone} is for a catalog server, but FIRN_CATALOG_URI names none: set or unset both.`,
    )
  }
  const {
    FIRN_CATALOG_WAREHOUSE: warehouse,
    FIRN_CATALOG_TOKEN: token,
    FIRN_CATALOG_CREDENTIAL: credential,
  } = given
  const { FIRN_CATALOG_PUBLISH: publish } = given
  return {
    uri,
    ...(warehouse === undefined ? {} : { warehouse }),
    ...(token === undefined ? {} : { token }),
    ...(credential === undefined ? {} : { credential }),
    ...(publish === undefined ? {} : { publish }),
    properties: parseTexts(
      'FIRN_CATALOG_PROPERTIES',
      given.FIRN_CATALOG_PROPERTIES,
      '{"oauth2-server-uri": "https://…", "scope": "…"}',
    ),
  }
}
