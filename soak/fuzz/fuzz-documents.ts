import { gzipSync } from 'node:zlib'
import { crc32 } from '../../iceberg/format/crc32.js'
import { decodeDeletionVector } from '../../iceberg/format/puffin/deletion-vector.js'
import { parsePuffinFooter } from '../../iceberg/format/puffin/puffin-footer.js'
import { parseCatalogConfig } from '../../iceberg/rest/catalog-config.js'
import { parseErrorBody } from '../../iceberg/rest/error-body.js'
import {
  parseCreateTable,
  parseLoadTables,
  parseNamespaceResult,
  parseNamespaceUpdate,
  parseRegisterTable,
  parseRename,
  parseTableResult,
  parseTableResults,
  parseTransaction,
} from '../../iceberg/rest/table-documents.js'
import { parseCreateView, parseViewCommit, parseViewResult } from '../../iceberg/rest/view-documents.js'
import { parseJson, stringifyJson } from '../../iceberg/spec/json.js'
import { parseTableMetadata, serializeTableMetadata } from '../../iceberg/spec/metadata-json.js'
import { parseNameMapping } from '../../iceberg/spec/name-mapping.js'
import { applyUpdates } from '../../iceberg/update/apply-updates.js'
import { newTableMetadata } from '../../iceberg/update/new-metadata.js'
import { applyViewUpdates, checkViewRequirements } from '../../iceberg/view/apply-view-updates.js'
import { parseViewMetadata, serializeViewMetadata } from '../../iceberg/view/view-json.js'
import type { Random } from '../random.js'
import { damage, damageJson } from './damage.js'
import {
  COMMIT,
  CREATE_TABLE,
  NAME_MAPPING,
  PUFFIN_FOOTER,
  ROARING,
  TABLE,
  VIEW,
  VIEW_COMMIT,
} from './documents.js'
import type { FuzzTarget, Trial } from './trial.js'

interface Document {
  readonly name: string
  readonly whole: Uint8Array
  readonly isJson: boolean
  readonly use: (bytes: Uint8Array) => unknown
}

const METADATA = newTableMetadata({ ...TABLE, location: 'file:///w/t', uuid: 'u', now: 1 })
const RESULT = { 'metadata-location': 'file:///w/m.json', metadata: METADATA, config: { 'io.x': 'y' } }
const NAME = { namespace: ['a', 'b'], name: 't' }

/** Documents that others send or store, each with all that is done with it before it is trusted. */
const DOCUMENTS: readonly Document[] = [
  json('commit', { 'table-changes': [{ identifier: NAME, requirements: [], updates: COMMIT }] }, (value) => {
    for (const { updates } of parseTransaction(value))
      parseTableMetadata(
        serializeTableMetadata(applyUpdates(METADATA, updates, { now: 2, metadataLocation: 'm' })),
      )
  }),
  json('create table', CREATE_TABLE, (value) => {
    const { table } = parseCreateTable(value, 'a')
    newTableMetadata({ ...table, location: table.location ?? 'file:///w/t', uuid: 'u', now: 1 })
  }),
  json('load table', RESULT, parseTableResult),
  json('load tables', { tables: [RESULT, RESULT] }, parseTableResults),
  json('tables wanted', { identifiers: [NAME, NAME] }, parseLoadTables),
  json('rename', { source: NAME, destination: NAME }, parseRename),
  json(
    'register',
    { name: 't', 'metadata-location': 'file:///w/m.json', overwrite: false },
    parseRegisterTable,
  ),
  json('namespace', { namespace: ['a'], properties: { k: 'v' } }, parseNamespaceResult),
  json('namespace update', { removals: ['a'], updates: { k: 'v' } }, parseNamespaceUpdate),
  json('config', { defaults: { a: 'b' }, overrides: {}, endpoints: ['GET /v1/x'] }, parseCatalogConfig),
  json('error', { error: { code: 404, type: 'T', message: 'm' } }, (value) =>
    parseErrorBody(404, stringifyJson(value)),
  ),
  json(
    'create view',
    { name: 'v', schema: TABLE.schema, 'view-version': VIEW.versions[0], properties: {} },
    parseCreateView,
  ),
  json('view commit', VIEW_COMMIT, (value) => {
    const { requirements, updates } = parseViewCommit(value)
    const view = parseViewMetadata(text(VIEW))
    checkViewRequirements(view, requirements)
    parseViewMetadata(serializeViewMetadata(applyViewUpdates(view, updates, { now: 2 })))
  }),
  json('view', { 'metadata-location': 'file:///w/v.json', metadata: VIEW }, parseViewResult),
  json('view file', VIEW, (value) => parseViewMetadata(Buffer.from(stringifyJson(value)))),
  json('name mapping', NAME_MAPPING, (value) => parseNameMapping(stringifyJson(value))),
  {
    name: 'name mapping text',
    whole: text(NAME_MAPPING),
    isJson: false,
    use: (bytes) => parseNameMapping(utf8(bytes)),
  },
  { name: 'puffin footer', whole: PUFFIN_FOOTER, isJson: false, use: parsePuffinFooter },
  {
    // The checksum fits again: what is damaged is the bitmap within.
    ...{ name: 'deletion vector', whole: ROARING, isJson: false },
    use: (bytes) => decodeDeletionVector(framed(bytes), bytes.length % 7 === 0 ? 2 ** 52 : 5),
  },
  packed('gzip metadata', serializeTableMetadata(METADATA), parseTableMetadata),
  packed('gzip view', text(VIEW), parseViewMetadata),
]

/** Documents of the catalog, of views and of statistics, damaged one at a time. */
export class DamagedDocuments implements FuzzTarget {
  readonly name = 'documents'

  create(): Promise<void> {
    for (const { whole, use } of DOCUMENTS.filter((document) => document.name !== 'deletion vector'))
      use(whole)
    decodeDeletionVector(framed(ROARING), 5)
    return Promise.resolve()
  }

  tryDamaged(random: Random): Promise<Trial> {
    const { whole, isJson, use } = random.pick(DOCUMENTS)
    const bytes =
      isJson && !random.chance(4)
        ? text(damageJson(parseJson(utf8(whole)), random))
        : random.chance(3)
          ? damage(damage(whole, random), random)
          : damage(whole, random)
    try {
      use(bytes)
      return Promise.resolve({ kind: 'unnoticed' })
    } catch (error) {
      return Promise.resolve({ kind: 'refused', error })
    }
  }
}

function json(name: string, value: unknown, use: (value: unknown) => unknown): Document {
  return { name, whole: text(value), isJson: true, use: (bytes) => use(parseJson(utf8(bytes))) }
}

function packed(name: string, plain: Uint8Array, use: (bytes: Uint8Array) => unknown): Document {
  return { name, whole: gzipSync(plain), isJson: false, use }
}

function text(value: unknown): Uint8Array {
  return Buffer.from(stringifyJson(value))
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

function framed(body: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(body.length + 8)
  frame.writeUInt32BE(body.length, 0)
  frame.set(body, 4)
  frame.writeUInt32BE(crc32(body), body.length + 4)
  return frame
}
