export { fitsColumn, isNumber } from '../../schemas/column-types.js'
