/** Names that are there more than once, each once. */
export function duplicates(names: readonly string[]): readonly string[] {
  return [...new Set(names.filter((name, i) => names.indexOf(name) !== i))]
}

/** `there is no table salez; there are sales, users`. */
export function noneNamed(what: string, name: string, known: readonly string[]): string {
  return `there is no ${what} ${name}; there are ${known.join(', ') || 'none'}`
}
