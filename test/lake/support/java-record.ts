import type { TopicRecord } from '../../../schemas/topics.js'

/** Record i as test/peers/JavaProducer.java writes it. */
export function javaRecord(i: number): TopicRecord {
  const text = 'snow '.repeat(i % 97 === 96 ? 40_000 : i % 20)
  return {
    offset: i,
    timestampMs: 1_700_000_000_000 + (i % 2 === 0 ? i : -i) * 1000,
    key: i % 3 === 0 ? null : Buffer.from(`key ${i}`),
    value:
      i % 11 === 10 ? null : i % 13 === 12 ? Buffer.alloc(0) : Buffer.from(`{"n":${i},"text":"${text}"}`),
  }
}
