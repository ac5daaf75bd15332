/** For the command line, which lies above the workers. */
export { quietNights } from '../activities/quiet-nights.js'
