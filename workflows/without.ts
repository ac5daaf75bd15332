/** A copy that lacks some members. */
export function without<T extends object, K extends keyof T & string>(
  value: T,
  ...names: readonly K[]
): Omit<T, K> {
  const left = Object.entries(value).filter(([name]) => !names.some((one) => one === name))
  return Object.fromEntries(left) as Omit<T, K>
}
