/** Column of a scan with `places`: the number of the row's file times 2^40, plus the row's position in it, from 0. */
export const PLACE = '_firn_place'

/** More rows than a file has. One number for file and position makes joins cheap. */
const FILE_ROWS = '1099511627776'

export function placeSql(file: string, position: string): string {
  return `${file} * ${FILE_ROWS} + ${position}`
}

export function fileOfPlace(place: string): string {
  return `(${place} // ${FILE_ROWS})`
}

export function positionOfPlace(place: string): string {
  return `(${place} % ${FILE_ROWS})`
}
