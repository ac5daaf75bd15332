/** Rows that score the same, from the highest score down. */
export interface Tie {
  readonly score: number
  readonly positives: number
  readonly negatives: number
}

export function rankRows(labels: Float64Array, scores: Float64Array): readonly Tie[] {
  const order = Uint32Array.from(scores, (_, row) => row)
  order.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0))
  const ties: { score: number; positives: number; negatives: number }[] = []
  for (const row of order) {
    const score = scores[row] ?? 0
    let tie = ties.at(-1)
    if (tie?.score !== score) ties.push((tie = { score, positives: 0, negatives: 0 }))
    if (labels[row] === 1) tie.positives += 1
    else tie.negatives += 1
  }
  return ties
}
