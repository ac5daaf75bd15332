/**
 * Solves a · x = b for a symmetric positive definite matrix (row-major [n, n], its lower half is read), both kept as they
 * are. Undefined where the matrix is not positive definite beyond rounding.
 */
export function solveCholesky(a: Float64Array, b: Float64Array): Float64Array | undefined {
  const n = b.length
  const lower = factorise(a, n)
  if (lower === undefined) return undefined
  const x = b.slice()
  for (let i = 0; i < n; i += 1) {
    let sum = x[i] ?? 0
    for (let k = 0; k < i; k += 1) sum -= (lower[i * n + k] ?? 0) * (x[k] ?? 0)
    x[i] = sum / (lower[i * n + i] ?? 1)
  }
  for (let i = n - 1; i >= 0; i -= 1) {
    let sum = x[i] ?? 0
    for (let k = i + 1; k < n; k += 1) sum -= (lower[k * n + i] ?? 0) * (x[k] ?? 0)
    x[i] = sum / (lower[i * n + i] ?? 1)
  }
  return x
}

function factorise(a: Float64Array, n: number): Float64Array | undefined {
  const lower = new Float64Array(n * n)
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      let sum = a[i * n + j] ?? 0
      for (let k = 0; k < j; k += 1) sum -= (lower[i * n + k] ?? 0) * (lower[j * n + k] ?? 0)
      if (i !== j) lower[i * n + j] = sum / (lower[j * n + j] ?? 1)
      // A pivot that rounding alone would leave is none.
      else if (!(sum > 1e-13 * (a[i * n + i] ?? 0))) return undefined
      else lower[i * n + i] = Math.sqrt(sum)
    }
  }
  return lower
}
