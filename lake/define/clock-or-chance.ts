const CALLS =
  /\b(?:now|today|random|uuid|uuidv4|uuidv7|gen_random_uuid|get_current_time|get_current_timestamp|setseed|transaction_timestamp|txid_current|nextval)\s*\(|\b(?:current_timestamp|current_date|current_time|localtimestamp|localtime)\b|\busing\s+sample\b|\btablesample\b/gi

/** Calls of a SQL text whose result hangs on the moment or on chance, as they are written. */
export function clockOrChance(sql: string): readonly string[] {
  const bare = sql.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//g, "''")
  return [...new Set([...bare.matchAll(CALLS)].map(([call]) => call.replace(/\s*\($/, '()')))]
}
