import { IcebergError } from '../error.js'

/** What the SDK's errors tell. The errors themselves are not kept: some hold signed headers and session tokens. */
interface Told {
  readonly name: string
  readonly message: string
  /** Undefined: no answer came. */
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly attempts: number | undefined
}

/** An error of the store in the library's words. `doing` completes "could not": `read`, `list`. */
export function s3Error(error: unknown, doing: string, location: string): IcebergError {
  if (error instanceof IcebergError) return error
  const told = toldBy(error)
  const context = { location, code: told.name, ...told }
  if (isMissingObject(told)) {
    return new IcebergError('not-found', `${location} does not exist`, { context })
  }
  const reason = [told.name, told.message].filter((text) => text !== '').join(': ')
  const attempts = (told.attempts ?? 1) > 1 ? ` after ${told.attempts ?? 1} attempts` : ''
  return new IcebergError('io', `could not ${doing} ${location}${attempts} (${reason}): ${adviceFor(told)}`, {
    context,
  })
}

/** The store says that the object is there (412), or that somebody is at it in this moment (409). */
export function isTaken(error: unknown): boolean {
  const { name, status } = toldBy(error)
  return status === 412 || name === 'PreconditionFailed' || name === 'ConditionalRequestConflict'
}

/** A range that begins behind the object's end. */
export function isBeyondEnd(error: unknown): boolean {
  const { name, status } = toldBy(error)
  return status === 416 || name === 'InvalidRange'
}

export function isNoSuchUpload(error: unknown): boolean {
  return toldBy(error).name === 'NoSuchUpload'
}

function isMissingObject({ name, status }: Told): boolean {
  if (name === 'NoSuchBucket') return false
  return name === 'NoSuchKey' || name === 'NotFound' || status === 404
}

function adviceFor({ name, status }: Told): string {
  if (name === 'NoSuchBucket')
    return 'the bucket is not there: create it, or correct its name or the endpoint'
  if (name === 'CredentialsProviderError') {
    return 'no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE'
  }
  if (/Token|AccessKey|Signature/.test(name)) return 'check the credentials: renew them where they have ended'
  if (status === 401 || status === 403) return 'check the credentials and what they are allowed to do there'
  if (status === 301 || status === 307 || name === 'AuthorizationHeaderMalformed') return 'check the region'
  if (status === 501) return 'the store lacks this: for a conditional create, switch `conditionalCreate` off'
  if (status === undefined) return 'no answer came: check the endpoint and the network'
  if (status >= 500 || status === 429) return 'the store is in trouble or overloaded: try again later'
  return 'check the location and the endpoint'
}

function toldBy(error: unknown): Told {
  if (!(error instanceof Error)) {
    return { name: '', message: String(error), status: undefined, requestId: undefined, attempts: undefined }
  }
  const { $metadata: metadata, code } = error as {
    readonly $metadata?: {
      readonly httpStatusCode?: number
      readonly requestId?: string
      readonly attempts?: number
    }
    readonly code?: unknown
  }
  return {
    name: error.name === 'Error' && typeof code === 'string' ? code : error.name,
    message: error.message === error.name ? '' : error.message,
    status: metadata?.httpStatusCode,
    requestId: metadata?.requestId,
    attempts: metadata?.attempts,
  }
}
