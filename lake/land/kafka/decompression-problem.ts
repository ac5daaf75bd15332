/** A batch that can't be decompressed; the message continues "the batch at offset …". */
export class DecompressionProblem extends Error {
  static tooLarge(maxBytes: number): DecompressionProblem {
    return new DecompressionProblem(`holds more than ${maxBytes} bytes once decompressed`)
  }

  static damaged(codec: string, cause: unknown): DecompressionProblem {
    if (cause instanceof DecompressionProblem) return cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    return new DecompressionProblem(`can't be decompressed as ${codec} (${reason})`)
  }
}
