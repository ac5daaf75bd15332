/** The command line asks as the night's activity does. */
export { findMissedNights } from '../activities/find-missed-nights.js'
