/** Payment events as the pipeline churn declares them, each of about `sizeBytes`; the same number gives the same message. */
export function paymentMessage(number: number, sizeBytes: number): { key: string; value: string } {
  const user = `u_${hash(number % 50_021, 16)}`
  const event = {
    txn_id: `${hash(number, 8)}-${hash(number + 1e9, 12)}-${String(number).padStart(10, '0')}`,
    user_token: user,
    amount: (((number * 7919) % 1_000_000) / 100).toFixed(2),
    merchant_id: `m_${hash(number % 997, 10)}`,
    status: number % 13 === 0 ? 'failed' : 'approved',
    event_time: new Date(Date.UTC(2026, 6, 1) + number * 40).toISOString(),
  }
  const missing = sizeBytes - JSON.stringify(event).length
  const merchant_id = `${event.merchant_id}${missing > 0 ? ' main street'.repeat(missing / 12 + 1).slice(0, missing) : ''}`
  return { key: user, value: JSON.stringify({ ...event, merchant_id }) }
}

/** Hexadecimal digits that don't repeat, as in tokens. */
function hash(seed: number, digits: number): string {
  let text = ''
  for (let state = (seed * 2_654_435_761 + 97) >>> 0; text.length < digits;) {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) >>> 0
    text += state.toString(16).padStart(8, '0')
  }
  return text.slice(0, digits)
}
