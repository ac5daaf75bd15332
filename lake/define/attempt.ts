/** The result, or what was wrong in words. */
export function attempt<T extends object>(parse: () => T): T | string {
  try {
    return parse()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
