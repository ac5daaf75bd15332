import { ApplicationFailure } from '@temporalio/workflow'

/** Runs a validator of schemas/validate-input; what it finds ends the workflow at once, with type `invalid-input`. */
export function readInput<T>(validator: (input: unknown) => T, input: unknown): T {
  try {
    return validator(input)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    throw ApplicationFailure.nonRetryable(message, 'invalid-input')
  }
}
