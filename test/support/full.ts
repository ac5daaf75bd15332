/** CI sets it: more rounds and all documents, where `npm test` takes a part to stay within minutes. */
export const FULL = process.env['FIRN_TEST_FULL'] !== undefined
