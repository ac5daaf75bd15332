import { IcebergError } from '../../iceberg/error.js'
import { createCatalogServer, type CatalogServerOptions } from './create-server.js'

export interface ListenOptions extends Omit<CatalogServerOptions, 'hosts'> {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 takes one that is free. */
  readonly port: number
}

export interface RunningServer {
  /** What clients take as `uri`. */
  readonly uri: string
  /** Answers what has begun, takes nothing new. */
  close(): Promise<void>
}

const LOOPBACK = ['localhost', '127.0.0.1', '::1']

/** Serves a catalog. Without tokens only this machine is served: `invalid-argument` for any other host. */
export async function listen(options: ListenOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', port, tokens } = options
  if (tokens === undefined && !LOOPBACK.includes(host)) {
    throw new IcebergError(
      'invalid-argument',
      `without tokens the catalog is served to this machine only, not on ${host}; give a tokens file`,
      { context: { host } },
    )
  }
  const app = createCatalogServer({
    ...options,
    ...(tokens === undefined ? { hosts: [...LOOPBACK, '[::1]'] } : {}),
  })
  try {
    await app.listen({ host, port })
  } catch (cause) {
    const taken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
    const reason = taken ? 'another program listens there' : String(cause)
    throw new IcebergError(
      'io',
      `the catalog can't listen on ${host}:${port}: ${reason}; choose another port`,
      {
        context: { host, port },
        cause,
      },
    )
  }
  const address = app.server.address()
  const bound = typeof address === 'object' ? (address?.port ?? port) : port
  const shown = host.includes(':') ? `[${host}]` : host
  return { uri: `http://${shown}:${bound}`, close: () => app.close() }
}
