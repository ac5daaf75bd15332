/** A member that two definitions differ in. */
export interface DefinitionDifference {
  /** `schema.age`, `method.fractions.val`; list items by their place. */
  readonly path: string
  /** Absent: only the other one has it. */
  readonly before?: unknown
  readonly after?: unknown
}

/** What changed from one definition to another, in the order of their members. SQL texts are compared whole. */
export function diffDefinitions(before: unknown, after: unknown, path = ''): readonly DefinitionDifference[] {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    const members = names.flatMap((name) =>
      diffDefinitions(before[name], after[name], path === '' ? name : `${path}.${name}`),
    )
    const order = [before, after].map((value) => Object.keys(value).join())
    // The order of columns and estimators means something where nothing else changed.
    return members.length === 0 && order[0] !== order[1]
      ? [{ path, before: Object.keys(before), after: Object.keys(after) }]
      : members
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  return [
    {
      path,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    },
  ]
}

export type TextLine = readonly [mark: ' ' | '-' | '+', line: string]

/** The lines of two texts: what stayed, went and came, as few changes as there can be. */
export function diffLines(before: string, after: string): readonly TextLine[] {
  const [a, b] = [before.split('\n'), after.split('\n')]
  // common[i][j]: lines that a from i and b from j have in common, in their order.
  const common = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const row = common[i]
      if (row !== undefined)
        row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const lines: TextLine[] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push([' ', a[i++] ?? ''])
      j += 1
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push(['-', a[i++] ?? ''])
    else lines.push(['+', b[j++] ?? ''])
  }
  return lines
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
