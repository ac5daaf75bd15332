import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { S3Client } from '@aws-sdk/client-s3'

/** Keys for an S3 store. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** When they end; a provider is asked anew before. */
  readonly expiration?: Date
}

/** How an S3 store is reached. */
export interface S3ConnectionOptions {
  /** Of a store that is not AWS, e.g. `http://127.0.0.1:9000`. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, then AWS. */
  readonly endpoint?: string
  /** Default: the SDK's chain (AWS_REGION, profile), AWS_DEFAULT_REGION, then us-east-1, which other stores take. */
  readonly region?: string
  /** The bucket in the path and not in the host name. Default: so with an endpoint of one's own, else not. */
  readonly pathStyle?: boolean
  /** Default: the SDK's chain (environment, profile, SSO, web identity, container, instance). */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>)
  /** Of one request, the first one included. Default 5. */
  readonly maxAttempts?: number
}

/** A client that retries with back-off and never waits for ever. */
export function createS3Client(options: S3ConnectionOptions): S3Client {
  // The SDK would write to the console of every program that reads a table.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  const endpoint = options.endpoint ?? environment('AWS_ENDPOINT_URL_S3') ?? environment('AWS_ENDPOINT_URL')
  const region = options.region ?? environment('AWS_REGION') ?? environment('AWS_DEFAULT_REGION')
  const config: S3ClientConfig = {
    retryMode: 'standard',
    maxAttempts: options.maxAttempts ?? 5,
    followRegionRedirects: true,
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    requestHandler: { connectionTimeout: 5_000, socketTimeout: 60_000 },
  }
  if (endpoint !== undefined) config.endpoint = endpoint
  if (region !== undefined) config.region = region
  else if (endpoint !== undefined) config.region = 'us-east-1'
  if (options.credentials !== undefined) config.credentials = options.credentials
  return new S3Client(config)
}

function environment(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}
