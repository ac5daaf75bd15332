/** Schemes and authorities that name the same store, as what → what it counts as. */
export interface EqualPrefixes {
  /** Default `s3a` and `s3n` count as `s3`. */
  readonly equalSchemes?: Readonly<Record<string, string>>
  /** E.g. the service names of two name nodes. */
  readonly equalAuthorities?: Readonly<Record<string, string>>
}

/** A location apart: where the store is, and the path in it in one spelling. */
export interface LocationParts {
  /** `s3://bucket`; empty for the local disk, whether it is said as `file:/x`, `file:///x` or `/x`. */
  readonly prefix: string
  /** Doubled slashes, `.` and `..` are gone. */
  readonly path: string
}

const LOCATION = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/]*))?(.*)$/s
const S3 = { s3a: 's3', s3n: 's3' }

export function locationParts(location: string, equal: EqualPrefixes = {}): LocationParts {
  const [, scheme = 'file', authority = '', rest = location] = LOCATION.exec(location) ?? []
  const schemes: Readonly<Record<string, string>> = equal.equalSchemes ?? S3
  const store = schemes[scheme] ?? scheme
  const host = equal.equalAuthorities?.[authority] ?? authority
  return { prefix: store === 'file' ? '' : `${store}://${host}`, path: plainPath(rest) }
}

function plainPath(path: string): string {
  // The usual path has nothing to tidy, and a listing has many.
  if (!/\/(\.{0,2})(\/|$)/.test(path)) return path
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}
