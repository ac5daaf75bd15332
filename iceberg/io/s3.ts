import type { S3Client } from '@aws-sdk/client-s3'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { IcebergError } from '../error.js'
import type { FileIO, FileStatus, ReadRange } from './file-io.js'
import { readSource, withLocalSource } from './local-source.js'
import type { S3ConnectionOptions } from './s3-client.js'
import { createS3Client } from './s3-client.js'
import { isBeyondEnd, isTaken, s3Error } from './s3-error.js'
import type { S3Location } from './s3-location.js'
import { parseS3Location, parseS3Object } from './s3-location.js'
import { uploadMultipart } from './s3-multipart.js'

/** How an S3 store is written to. */
export interface S3FileIOOptions extends S3ConnectionOptions {
  /**
   * Whether the store honours `If-None-Match: *`. Default true. Switched off, `createIfAbsent` looks first and writes then:
   * of two writers at the same moment both may think that they won.
   */
  readonly conditionalCreate?: boolean
  /** Of multipart uploads, which larger objects become; from 5 MiB. Default 16 MiB, of which a few are in memory. */
  readonly partSizeBytes?: number
  /** Marks what this process writes, so that it knows its own objects after a lost answer. */
  readonly newUuid: () => string
}

/**
 * Objects of S3 and of stores that speak its protocol; `s3://`, `s3a://` and `s3n://`, kept as spelled. Every request is
 * retried with back-off. Objects whose name ends with a slash are folder markers of other tools and not listed.
 */
export class S3FileIO implements FileIO {
  readonly #client: S3Client
  readonly #options: S3FileIOOptions

  constructor(options: S3FileIOOptions) {
    this.#client = createS3Client(options)
    this.#options = options
  }

  read(location: string, range?: ReadRange): Promise<Uint8Array> {
    return named('read', location, async () => {
      const target = parseS3Object(location)
      if (range !== undefined && range.end <= range.start) {
        await this.#head(target)
        return new Uint8Array(0)
      }
      try {
        return await this.#get(target, range)
      } catch (error) {
        if (isBeyondEnd(error)) return new Uint8Array(0)
        if (range?.etag !== undefined && isTaken(error)) throw changed(location)
        throw error
      }
    })
  }

  write(location: string, bytes: Uint8Array): Promise<void> {
    return named('write', location, () =>
      this.#put(parseS3Object(location), bytes.length, ({ start, end }) =>
        Promise.resolve(bytes.subarray(start, end)),
      ),
    )
  }

  createIfAbsent(location: string, bytes: Uint8Array): Promise<void> {
    return named('create', location, async () => {
      const target = parseS3Object(location)
      if (this.#options.conditionalCreate === false) {
        if ((await this.#markOf(target)) !== undefined) throw alreadyExists(location)
        await this.#put(target, bytes.length, () => Promise.resolve(bytes))
        return
      }
      const mark = this.#options.newUuid()
      for (let attempt = 1; attempt <= CREATE_ATTEMPTS; attempt += 1) {
        if (await this.#putIfAbsent(target, bytes, mark)) return
        const found = await this.#markOf(target)
        // A lost answer makes the SDK ask again, and what is in the way then may be the first request's own object.
        if (found === mark) return
        if (found !== undefined) throw alreadyExists(location)
        await pause(PAUSE_MS * 2 ** attempt)
      }
      throw new IcebergError(
        'io',
        `${location} is created and deleted by others all the time: ${CREATE_ATTEMPTS} attempts met somebody`,
        { context: { location } },
      )
    })
  }

  upload(localPath: string, location: string): Promise<void> {
    return withLocalSource(localPath, (source) =>
      named('write', location, () =>
        this.#put(parseS3Object(location), source.sizeBytes, (range) => readSource(source, range)),
      ),
    )
  }

  stat(location: string): Promise<FileStatus> {
    return named('look at', location, async () => {
      const { ContentLength, LastModified, ETag } = await this.#head(parseS3Object(location))
      return statusOf(location, ContentLength, LastModified, ETag)
    })
  }

  async *list(prefix: string, after?: string): AsyncIterable<FileStatus> {
    const { root, bucket, key } = parseS3Location(prefix)
    const start = after === undefined ? {} : { StartAfter: parseS3Location(after).key }
    let token: string | undefined
    do {
      const page = await named('list', prefix, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: key,
            // XML cannot hold every character that a key may have.
            EncodingType: 'url',
            ...(token === undefined ? start : { ContinuationToken: token }),
          }),
        ),
      )
      for (const { Key, Size, LastModified, ETag } of page.Contents ?? []) {
        const name = page.EncodingType === 'url' ? decodeKey(Key ?? '') : (Key ?? '')
        if (name.endsWith('/')) continue
        yield statusOf(root + name, Size, LastModified, ETag)
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  delete(location: string): Promise<void> {
    return named('delete', location, async () => {
      const { bucket, key } = parseS3Object(location)
      await this.#client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }))
    }).catch((error: unknown) => {
      if (error instanceof IcebergError && error.kind === 'not-found') return
      throw error
    })
  }

  async #get({ root, bucket, key }: S3Location, range: ReadRange | undefined): Promise<Uint8Array> {
    const bytes = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }
    const state = range?.etag === undefined ? {} : { IfMatch: `"${range.etag}"` }
    const request = { Bucket: bucket, Key: key, ...bytes, ...state }
    // The SDK retries until an answer begins; a body that breaks off is asked for again here.
    for (let attempt = 1; ; attempt += 1) {
      const { Body, ContentRange, ETag } = await this.#client.send(new GetObjectCommand(request))
      try {
        const body = (await Body?.transformToByteArray()) ?? new Uint8Array(0)
        // A store without conditional reads gives what is there now.
        if (range?.etag !== undefined && ETag !== undefined && bareEtag(ETag) !== range.etag)
          throw changed(root + key)
        // A store without ranges gives the whole object.
        return range === undefined || ContentRange !== undefined ? body : body.slice(range.start, range.end)
      } catch (error) {
        if (attempt === BODY_ATTEMPTS || error instanceof IcebergError) throw error
        await pause(PAUSE_MS * 2 ** attempt)
      }
    }
  }

  #head({ bucket, key }: S3Location) {
    return this.#client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))
  }

  async #put(
    target: S3Location,
    sizeBytes: number,
    read: (range: { readonly start: number; readonly end: number }) => Promise<Uint8Array>,
  ): Promise<void> {
    const partSizeBytes = Math.max(this.#options.partSizeBytes ?? PART_BYTES, LEAST_PART_BYTES)
    const mark = this.#options.newUuid()
    if (sizeBytes > partSizeBytes) {
      const isOwn = async (): Promise<boolean> => (await this.#markOf(target)) === mark
      const metadata = { [MARK]: mark }
      return uploadMultipart({
        client: this.#client,
        target,
        sizeBytes,
        partSizeBytes,
        read,
        metadata,
        isOwn,
      })
    }
    const Body = await read({ start: 0, end: sizeBytes })
    await this.#client.send(
      new PutObjectCommand({ Bucket: target.bucket, Key: target.key, Body, Metadata: { [MARK]: mark } }),
    )
  }

  /** Whether the store took it; not: something is in the way. */
  async #putIfAbsent({ bucket, key }: S3Location, Body: Uint8Array, mark: string): Promise<boolean> {
    try {
      const object = { Bucket: bucket, Key: key, Body, Metadata: { [MARK]: mark } }
      await this.#client.send(new PutObjectCommand({ ...object, IfNoneMatch: '*' }))
      return true
    } catch (error) {
      if (isTaken(error)) return false
      throw error
    }
  }

  /** Who wrote the object: a mark, empty where it has none; undefined where there is no object. */
  async #markOf(target: S3Location): Promise<string | undefined> {
    try {
      return (await this.#head(target)).Metadata?.[MARK] ?? ''
    } catch (error) {
      const told = s3Error(error, 'look at', target.root + target.key)
      if (told.kind === 'not-found') return undefined
      throw told
    }
  }
}

const PART_BYTES = 16 * 1024 * 1024
/** S3 refuses smaller ones. */
const LEAST_PART_BYTES = 5 * 1024 * 1024
const MARK = 'firn-write'
const CREATE_ATTEMPTS = 5
const BODY_ATTEMPTS = 4
const PAUSE_MS = 50

async function named<T>(doing: string, location: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    throw s3Error(error, doing, location)
  }
}

function alreadyExists(location: string): IcebergError {
  return new IcebergError('already-exists', `${location} exists already`, { context: { location } })
}

function changed(location: string): IcebergError {
  return new IcebergError('not-found', `${location} is no longer what it was: it was replaced`, {
    context: { location },
  })
}

function statusOf(
  location: string,
  sizeBytes: number | undefined,
  modified: Date | undefined,
  etag: string | undefined,
): FileStatus {
  const bare = bareEtag(etag)
  return {
    ...{ location, sizeBytes: sizeBytes ?? 0, modifiedMs: modified?.getTime() ?? 0 },
    ...(bare === undefined ? {} : { etag: bare }),
  }
}

/** Without its quotes; a weak one (`W/"…"`) is none, for no condition of a request ever meets it. */
function bareEtag(etag: string | undefined): string | undefined {
  return /^"?([^"]+)"?$/.exec(etag ?? '')?.[1]
}

/** As stores encode keys in listings: a space is a plus. */
function decodeKey(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '))
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
