import type { CompletedPart, S3Client } from '@aws-sdk/client-s3'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { inParallel } from './in-parallel.js'
import { isNoSuchUpload } from './s3-error.js'
import type { S3Location } from './s3-location.js'

export interface MultipartUpload {
  readonly client: S3Client
  readonly target: S3Location
  readonly sizeBytes: number
  readonly partSizeBytes: number
  /** Bytes [start, end); asked for a few times at once. */
  readonly read: (range: { readonly start: number; readonly end: number }) => Promise<Uint8Array>
  readonly metadata: Record<string, string>
  /** Whether the object that is there is this upload's: asked where the store no longer knows the upload. */
  readonly isOwn: () => Promise<boolean>
}

const MOST_PARTS = 10_000
const PARTS_IN_FLIGHT = 4

/** Uploads in parts, a few at a time. Where it fails the store is told to forget the parts that it has. */
export async function uploadMultipart(upload: MultipartUpload): Promise<void> {
  const { client, target, metadata } = upload
  const object = { Bucket: target.bucket, Key: target.key }
  // Parts carry checksums by default, which the store expects to be told of beforehand.
  const summed = (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED'
  const checksum = summed ? { ChecksumAlgorithm: 'CRC32' as const } : {}
  const begin = { ...object, ...checksum, Metadata: metadata }
  const started = await client.send(new CreateMultipartUploadCommand(begin))
  const named = { ...object, UploadId: started.UploadId }
  let parts: readonly CompletedPart[]
  try {
    parts = await inParallel(partRanges(upload), PARTS_IN_FLIGHT, async (range, index) => {
      const PartNumber = index + 1
      const part = { ...named, PartNumber, Body: await upload.read(range) }
      const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand(part))
      return { ETag, PartNumber, ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }) }
    })
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand(named)).catch(() => undefined)
    throw error
  }
  await complete(upload, named, parts)
}

/** A lost answer makes the SDK ask again, and the store may not know the upload any more: it is complete. */
async function complete(
  { client, isOwn }: MultipartUpload,
  named: { readonly Bucket: string; readonly Key: string; readonly UploadId: string | undefined },
  parts: readonly CompletedPart[],
): Promise<void> {
  try {
    const all = { ...named, MultipartUpload: { Parts: [...parts] } }
    await client.send(new CompleteMultipartUploadCommand(all))
  } catch (error) {
    if (isNoSuchUpload(error) && (await isOwn())) return
    await client.send(new AbortMultipartUploadCommand(named)).catch(() => undefined)
    throw error
  }
}

function partRanges({ sizeBytes, partSizeBytes }: MultipartUpload) {
  const size = Math.max(partSizeBytes, Math.ceil(sizeBytes / MOST_PARTS))
  return Array.from({ length: Math.ceil(sizeBytes / size) }, (_, n) => ({
    start: n * size,
    end: Math.min((n + 1) * size, sizeBytes),
  }))
}
