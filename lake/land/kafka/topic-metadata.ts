import type { KafkaBroker } from './kafka-cluster.js'
import { newestVersion } from './kafka-cluster.js'
import { WireReader } from './wire-reader.js'

const METADATA = 3
/** The first one that tells a topic's id. */
const VERSION = 10
const NO_ID = '00000000-0000-0000-0000-000000000000'

/** Another id where a topic was deleted and made again; undefined: the broker knows none. kafkajs asks by version 6 at most. */
export async function fetchTopicId(broker: KafkaBroker, topic: string): Promise<string | undefined> {
  if (newestVersion(broker, METADATA) < VERSION) return undefined
  const ids = await broker.connectionPool.send({
    request: {
      apiKey: METADATA,
      apiVersion: VERSION,
      apiName: 'Metadata',
      encode: () => encodeRequest(topic),
    },
    response: { decode: decodeTopicIds, parse: (answer) => answer },
  })
  const id = ids.get(topic)
  return id === NO_ID ? undefined : id
}

/** Body of the request, after the tags that end a header of version 2. No topic is made by asking. */
function encodeRequest(topic: string): { buf: Buffer; buffer: Buffer } {
  const name = Buffer.from(topic)
  const noTags = 0
  const [oneTopic, no] = [2, 0]
  const buffer = Buffer.concat([
    Buffer.from([noTags, oneTopic]),
    Buffer.alloc(16),
    uvarint(name.length + 1),
    name,
    Buffer.from([noTags, no, no, no, noTags]),
  ])
  return { buf: buffer, buffer }
}

/** Topic → id, of the answer behind the correlation id. Errors of topics are kafkajs' to tell. */
export function decodeTopicIds(bytes: Buffer): ReadonlyMap<string, string> {
  const reader = new WireReader(bytes)
  reader.skipTags()
  reader.int32()
  reader.compactArray(skipBroker)
  reader.compactString()
  reader.int32()
  return new Map(reader.compactArray(readTopic))
}

function skipBroker(reader: WireReader): void {
  reader.int32()
  reader.compactString()
  reader.int32()
  reader.compactString()
  reader.skipTags()
}

function readTopic(reader: WireReader): readonly [string, string] {
  reader.int16()
  const name = reader.compactString() ?? ''
  const id = uuidText(reader.slice(16)?.toString('hex') ?? '')
  reader.int8()
  reader.compactArray(skipPartition)
  reader.int32()
  reader.skipTags()
  return [name, id]
}

function skipPartition(reader: WireReader): void {
  reader.forward(2 + 4 + 4 + 4)
  for (let lists = 3; lists > 0; lists--) reader.compactArray((list) => list.int32())
  reader.skipTags()
}

function uuidText(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

function uvarint(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  for (; left >= 0x80; left >>>= 7) bytes.push((left & 0x7f) | 0x80)
  return Buffer.from([...bytes, left])
}
