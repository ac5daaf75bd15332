import { definePipeline, jsonSource } from '../../../index.js'

/** What the soak of landings sends; no tables: what counts is the ledger. */
export default definePipeline({
  name: 'soak',
  sources: {
    soak_events: jsonSource({
      topic: 'soak.events',
      schema: { id: 'string', n: 'long', 'text?': 'string' },
      identity: ['id'],
    }),
  },
  tables: {},
})
