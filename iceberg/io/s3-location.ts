import { IcebergError } from '../error.js'

/** Where an object lies. `root` is what stands before its key as its writer spelled it: `s3a://bucket/`. */
export interface S3Location {
  readonly root: string
  readonly bucket: string
  readonly key: string
}

const S3 = /^(s3[an]?:\/\/([^/]+))(?:\/(.*))?$/is

/** `s3://`, `s3a://` and `s3n://` name the same objects. */
export function isS3Location(location: string): boolean {
  return /^s3[an]?:\/\//i.test(location)
}

/** The key is what follows the bucket, character for character: Iceberg's locations are not URL-encoded. */
export function parseS3Location(location: string): S3Location {
  const [, start, bucket, key = ''] = S3.exec(location) ?? []
  if (start === undefined || bucket === undefined || location.includes('\0')) {
    throw new IcebergError(
      'invalid-argument',
      `${JSON.stringify(location)} is no S3 location; use s3://bucket/key`,
      { context: { location } },
    )
  }
  return { root: `${start}/`, bucket, key }
}

/** As `parseS3Location`, for one object. */
export function parseS3Object(location: string): S3Location {
  const parsed = parseS3Location(location)
  if (parsed.key !== '') return parsed
  throw new IcebergError(
    'invalid-argument',
    `${JSON.stringify(location)} is a bucket and no object; use s3://bucket/key`,
    { context: { location } },
  )
}
