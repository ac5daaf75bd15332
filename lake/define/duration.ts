export { parseDuration } from '../../schemas/duration.js'
