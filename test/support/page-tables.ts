/** The cells of the first table of a text, its head left out. */
export function tableRows(text: string): readonly (readonly string[])[] {
  const lines = text.slice(text.indexOf('\n|') + 1).split('\n')
  const end = lines.findIndex((line) => !line.startsWith('|'))
  return lines.slice(2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}
