import { parseJson } from '../spec/json.js'

/** What a REST catalog answers where it refuses: `type` is the name of one of Java's exceptions. */
export interface RestError {
  readonly code: number
  readonly type: string
  readonly message: string
}

export interface ErrorBody {
  readonly error: RestError
}

export function errorBody(code: number, type: string, message: string): ErrorBody {
  return { error: { message, type, code } }
}

const SHOWN = 300

/**
 * The error in a response's body. Bodies of proxies and of OAuth servers have other shapes: what can be read of them becomes
 * the message, shortened.
 */
export function parseErrorBody(status: number, body: string): RestError {
  const document = objectIn(body)
  const inner = document?.['error']
  const error =
    typeof inner === 'object' && inner !== null ? (inner as Readonly<Record<string, unknown>>) : document
  const type = textOf(error?.['type']) ?? textOf(inner) ?? textOf(document?.['title']) ?? ''
  const message =
    textOf(error?.['message']) ??
    textOf(document?.['error_description']) ??
    textOf(document?.['detail']) ??
    (type !== ''
      ? type
      : shorten(
          body
            .replace(/<[^>]*>/g, ' ')
            .replace(/\s+/g, ' ')
            .trim(),
        ))
  return { code: status, type, message: shorten(message === '' ? 'no reason given' : message) }
}

function objectIn(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const document = parseJson(body)
    return typeof document === 'object' && document !== null && !Array.isArray(document)
      ? (document as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function shorten(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}
