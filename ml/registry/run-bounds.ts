import { FirnError } from '../../schemas/error.js'

/** MLflow's bounds, kept here so that what was recorded can always be mirrored. Bytes of UTF-8. */
const MAX_BYTES = { key: 250, param: 6000, tag: 5000, name: 250, metric: 250 } as const

/** Refuses what a tracking server would refuse, before anything is written. */
export function checkRunTexts(run: {
  readonly experiment: string
  readonly name: string
  readonly params: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
}): void {
  checkText('name of an experiment', run.experiment, MAX_BYTES.name)
  checkText('name of a run', run.name, MAX_BYTES.name)
  for (const [key, value] of Object.entries(run.params)) {
    checkText('name of a parameter', key, MAX_BYTES.key)
    checkBytes(`value of parameter ${JSON.stringify(key)}`, value, MAX_BYTES.param)
  }
  for (const [key, value] of Object.entries(run.tags)) {
    checkText('name of a tag', key, MAX_BYTES.key)
    checkBytes(`value of tag ${JSON.stringify(key)}`, value, MAX_BYTES.tag)
  }
}

export function checkMetric({ key, step }: { readonly key: string; readonly step: number }): void {
  checkText('name of a metric', key, MAX_BYTES.metric)
  if (Number.isSafeInteger(step)) return
  throw new FirnError(
    'invalid-input',
    `the step of metric ${JSON.stringify(key)} is ${step}: give a whole number`,
  )
}

function checkText(what: string, text: string, maxBytes: number): void {
  checkBytes(what, text, maxBytes)
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (text.trim() !== '' && !/[\u0000-\u001f\u007f]/.test(text)) return
  throw new FirnError(
    'invalid-input',
    `${JSON.stringify(text)} is no ${what}: it is empty or has control characters`,
  )
}

function checkBytes(what: string, text: string, maxBytes: number): void {
  const bytes = Buffer.byteLength(text)
  if (bytes <= maxBytes) return
  throw new FirnError(
    'invalid-input',
    `the ${what} has ${bytes} bytes, and at most ${maxBytes} are kept: ${JSON.stringify(text.slice(0, 60))}… Shorten it, or log it as an artifact.`,
  )
}
