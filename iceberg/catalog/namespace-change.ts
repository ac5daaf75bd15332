import type { NamespaceChange, NamespaceUpdate, Properties } from './catalog.js'

/** A namespace's properties after a change, and what the change did. */
export function applyNamespaceChange(
  properties: Properties,
  { set = {}, remove = [] }: NamespaceChange,
): { readonly properties: Properties; readonly update: NamespaceUpdate } {
  const next = new Map(Object.entries(properties))
  const removed = remove.filter((key) => next.delete(key))
  for (const [key, value] of Object.entries(set)) next.set(key, value)
  const missing = remove.filter((key) => !removed.includes(key))
  return { properties: Object.fromEntries(next), update: { updated: Object.keys(set), removed, missing } }
}
