import { FirnError } from '../../schemas/error.js'

/** Where a tracking server is and how one logs in there. */
export interface MlflowSettings {
  /** Without any login. */
  readonly uri: string
  /** Value of the header `authorization`; never in a message. */
  readonly authorization?: string
}

/**
 * From MLFLOW_TRACKING_URI, and MLFLOW_TRACKING_USERNAME with _PASSWORD, or _TOKEN. Undefined: no server is named.
 * Errors: FirnError `config`.
 */
export function readMlflowSettings(env: NodeJS.ProcessEnv = process.env): MlflowSettings | undefined {
  const text = env['MLFLOW_TRACKING_URI']?.trim() ?? ''
  if (text === '') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    // What it is may hold a password.
    throw new FirnError(
      'config',
      'MLFLOW_TRACKING_URI names no server: give the address of an MLflow tracking server, such as http://127.0.0.1:5000, or leave it out.',
    )
  }
  const username = env['MLFLOW_TRACKING_USERNAME'] ?? decodeURIComponent(url.username)
  const password = env['MLFLOW_TRACKING_PASSWORD'] ?? decodeURIComponent(url.password)
  const token = env['MLFLOW_TRACKING_TOKEN'] ?? ''
  const uri = `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  if (username !== '' || password !== '') {
    const login = Buffer.from(`${username}:${password}`).toString('base64')
    return { uri, authorization: `Basic ${login}` }
  }
  return token === '' ? { uri } : { uri, authorization: `Bearer ${token}` }
}
