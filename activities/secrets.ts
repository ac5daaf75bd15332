const SECRET_NAME =
  /secret|token|password|passwd|credential|authorization|api[-_]?key|access[-_]?key|private[-_]?key/i

/** Whether a name is one that secrets have. */
export function namesSecret(name: string): boolean {
  return SECRET_NAME.test(name)
}

/** Text without what looks like a secret, and without the secrets of the environment wherever they stand. JSON stays JSON. */
export function blotSecrets(text: string, env: NodeJS.ProcessEnv = process.env): string {
  let blotted = text
  for (const secret of secretsOf(env)) blotted = blotted.replaceAll(secret, '***')
  return blotted
    .replace(/\/\/[^\s/@:"]+:[^\s/@"]+@/g, '//***@')
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 ***')
    .replace(
      /((?:secret|token|password|api[-_]?key|access[-_]?key)[^\s=:"]{0,20}\s*[=:]\s*)[^\s,;&"'\\]+/gi,
      '$1***',
    )
}

/** Values of variables with such names, also as they stand in JSON; short ones and paths of files are none. */
function secretsOf(env: NodeJS.ProcessEnv): readonly string[] {
  const values = Object.entries(env).flatMap(([name, value = '']) =>
    namesSecret(name) && !/_(FILE|PATH|URI|URL)$/.test(name) && value.length >= 6 ? [value] : [],
  )
  return values.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)])
}
