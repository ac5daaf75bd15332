import type { FileIOOptions } from '../io/open-file-io.js'

/** Options of storage by the names that Iceberg gives to its settings. Unknown ones are left out. */
export function fileIOOptions(properties: Readonly<Record<string, string>>): Omit<FileIOOptions, 'newUuid'> {
  const {
    's3.endpoint': endpoint,
    's3.access-key-id': accessKeyId,
    's3.secret-access-key': secretAccessKey,
  } = properties
  const region = properties['s3.region'] ?? properties['client.region']
  const pathStyle = properties['s3.path-style-access']
  const sessionToken = properties['s3.session-token']
  const credentials =
    accessKeyId === undefined || secretAccessKey === undefined
      ? undefined
      : { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(pathStyle === undefined ? {} : { pathStyle: pathStyle === 'true' }),
    ...(credentials === undefined ? {} : { credentials }),
  }
}
