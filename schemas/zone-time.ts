const formatters = new Map<string, Intl.DateTimeFormat>()

/**
 * The instant at which clocks in `zone` show `wall` (ms as if UTC), as Temporal's server finds it: where clocks are put
 * back, the second of the two east of Greenwich and the first west of it; inside a gap, an instant that shows another time.
 */
export function utcOfWallClock(wall: number, zone: string): number {
  const first = wall - zoneOffset(wall, zone)
  return wall - zoneOffset(first, zone)
}

/** What `zone`'s clocks are ahead of UTC at an instant, in ms. */
export function zoneOffset(instant: number, zone: string): number {
  if (zone === 'UTC') return 0
  const parts = formatterOf(zone).formatToParts(new Date(instant))
  const part = (type: string): number => Number(parts.find((p) => p.type === type)?.value)
  const wall = Date.UTC(
    ...([part('year'), part('month') - 1, part('day')] as const),
    ...([part('hour'), part('minute'), part('second')] as const),
  )
  return wall - Math.floor(instant / 1000) * 1000
}

/** Making one costs as much as a thousand uses of it. */
function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  formatters.set(zone, made)
  return made
}
