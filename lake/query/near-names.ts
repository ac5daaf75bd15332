const SHOWN_MAX = 5

/** `; did you mean a, b?`, else what there is; empty where there is nothing. */
export function nearNames(name: string, known: readonly string[]): string {
  if (known.length === 0) return '; there are none yet'
  const wanted = lastPart(name)
  const near = known
    .map((candidate) => ({ candidate, far: distance(wanted, lastPart(candidate)) }))
    .filter(
      ({ candidate, far }) => far <= Math.max(2, wanted.length / 4) || lastPart(candidate).includes(wanted),
    )
    .sort((a, b) => a.far - b.far)
    .slice(0, SHOWN_MAX)
    .map(({ candidate }) => candidate)
  if (near.length > 0) return `; did you mean ${near.join(', ')}?`
  const more = known.length > SHOWN_MAX ? `, and ${known.length - SHOWN_MAX} more` : ''
  return `; there are ${known.slice(0, SHOWN_MAX).join(', ')}${more}`
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1).toLowerCase()
}

/** Levenshtein's: letters to change, add or leave out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1]
    for (let j = 1; j <= b.length; j += 1) {
      const changed = (row[j - 1] ?? 0) + (a[i] === b[j - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
