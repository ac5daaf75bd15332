const NAMES = ['pipeline', 'batch', 'source', 'table', 'model'] as const

/**
 * What a workflow or an activity is about, by its argument: names at its top, or inside the plan, pin or input that it carries.
 * For log lines and spans: short texts only.
 */
export function aboutOf(argument: unknown): Readonly<Record<string, string>> {
  const about: Record<string, string> = {}
  for (const holder of [argument, ...['input', 'pin', 'plan'].map((name) => field(argument, name))]) {
    for (const name of NAMES) {
      const value = field(holder, name)
      if (typeof value === 'string') about[name] = value.slice(0, 200)
    }
  }
  const tables = field(argument, 'tables')
  if (about['table'] === undefined && Array.isArray(tables) && tables.every((one) => typeof one === 'string'))
    about['table'] = tables.join(',').slice(0, 200)
  return about
}

function field(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? (holder as Record<string, unknown>)[name] : undefined
}
