import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readPeers } from '../support/peers.js'

const { composeSchema, missing } = readPeers()

test.skipIf(composeSchema === null)(
  `docker-compose.yaml follows the compose specification${missing['compose'] ? ` [${missing['compose']}]` : ''}`,
  () => {
    const schema = JSON.parse(readFileSync(composeSchema!, 'utf8')) as { $schema: string }
    const compose: unknown = parse(
      readFileSync(join(import.meta.dirname, '..', '..', 'docker-compose.yaml'), 'utf8'),
      { merge: true },
    )
    const ajv = new (schema.$schema.includes('2020') ? Ajv2020 : Ajv)({ strict: false, allErrors: true })
    addFormats.default(ajv)
    ajv.addFormat('duration', /^(\d+(us|ms|s|m|h))+$/)
    const validate = ajv.compile(schema)
    validate(compose)
    expect(validate.errors).toBeNull()
  },
)
