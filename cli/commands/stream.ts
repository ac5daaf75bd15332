import type { Command } from 'commander'
import type { LandingAnswer } from '../../schemas/messages.js'
import type { ResumeStream, StreamResult, StreamSourceInput } from '../../schemas/stream-messages.js'
import { STREAM_SIGNALS } from '../../schemas/workflow-names.js'
import { readStreamSourceInput } from '../../schemas/validate-input.js'
import { readConfig } from '../../workers/config.js'
import { ACCEPT, answerOption } from '../answer-option.js'
import { durationOption } from '../duration-option.js'
import { integerOption } from '../integer-option.js'
import { interruptible } from '../interruption.js'
import { print, printJson } from '../output.js'
import { landedText, printStream } from '../print-stream.js'
import { startProgress } from '../progress.js'
import type { StreamName } from '../stream-handle.js'

interface Options {
  readonly source?: string
  readonly maxRecords?: number
  readonly maxBytes?: number
  readonly maxAge?: number
  readonly windowEvery?: number
  readonly idle?: number
  readonly accept?: readonly LandingAnswer[]
  readonly json?: true
}

export function addStreamCommand(program: Command): void {
  const stream = program
    .command('stream')
    .description(
      'land a topic without end, in micro-batches, and keep its windows: start or join it and watch',
    )
    .argument('<pipeline>')
    .option('--max-records <n>', 'land once so many records wait (default 100000)', integerOption)
    .option('--max-bytes <n>', '… or about so many bytes (default 67108864)', integerOption)
    .option('--max-age <duration>', '… or the oldest waits so long (default 5s)', durationOption)
    .option(
      '--window-every <duration>',
      'how often windows are written, 30s or more (default 30s)',
      durationOption,
    )
    .option(
      '--idle <duration>',
      'a partition without records for so long holds no watermark (default 1m)',
      durationOption,
    )
    .option('--accept <answer>', ACCEPT, answerOption)
  withCommonOptions(stream, 'print what was landed as JSON when it ends').action(startAndFollow)
  addControl(stream, 'status', 'what was landed, what waits, and why nothing moves')
  addControl(stream, 'pause', 'finish the micro-batch and stand still')
  addControl(stream, 'resume', 'go on after a pause, or try again now').option(
    '--accept <answer>',
    ACCEPT,
    answerOption,
  )
  addControl(stream, 'drain', 'land what is there, then end')
  addControl(stream, 'stop', 'end now; nothing is left half landed')
}

function addControl(stream: Command, verb: Verb, description: string): Command {
  const command = stream.command(verb).description(description).argument('<pipeline>')
  return withCommonOptions(command, 'print the status as JSON').action(
    (pipeline: string, _: Options, { parent }: Command) =>
      control(verb, pipeline, optionsOf(command, parent)),
  )
}

function withCommonOptions(command: Command, json: string): Command {
  return command
    .option('--source <name>', "one of the pipeline's sources (default: its only one)")
    .option('--json', json)
}

/** An option that the parent has too, such as --source, is taken by the parent wherever it stands. */
function optionsOf(command: Command, parent: Command | null): Options {
  return { ...parent?.opts<Options>(), ...command.opts<Options>() }
}

async function startAndFollow(pipeline: string, options: Options): Promise<void> {
  const { streamNamed, startStream } = await import('../stream-handle.js')
  const { followStream } = await import('../follow-stream.js')
  const { withTemporal } = await import('../temporal-session.js')
  const name = await streamNamed(readConfig(), pipeline, options.source)
  const input = { ...inputOf(name, options), ...name }
  readStreamSourceInput(input)
  const progress = startProgress(`stream ${pipeline}`)
  progress.update('starting')
  const use = async (signal: AbortSignal): Promise<StreamResult> =>
    withTemporal(
      async ({ client, ownServer }) => {
        const { handle, asOther } = await startStream(client, input)
        if (asOther) {
          progress.update(
            `joined the stream that runs, with the settings it was started with; \`firn stream stop ${pipeline}\` ends it`,
          )
        }
        const stopCommand = `firn stream stop ${pipeline} --source ${name.source}`
        return followStream({ handle, progress, signal, ownServer, stopCommand })
      },
      { signal, pipeline, announce: true },
    )
  try {
    const result = await interruptible(use)
    progress.done()
    if (options.json === true) printJson(result)
    else print(`landed ${landedText(result.landed)}, ${result.landed.deadLetters} dead letters`)
  } catch (error) {
    progress.failed()
    throw error
  }
}

function inputOf(name: StreamName, options: Options): StreamSourceInput {
  const { maxRecords, maxBytes, maxAge, windowEvery, idle, accept } = options
  return {
    pipeline: name.pipeline,
    ...(maxRecords === undefined ? {} : { maxRecords }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(maxAge === undefined ? {} : { maxAgeMs: maxAge }),
    ...(windowEvery === undefined ? {} : { windowEveryMs: windowEvery }),
    ...(idle === undefined ? {} : { idleMs: idle }),
    ...(accept === undefined ? {} : { accept }),
  }
}

type Verb = 'status' | 'pause' | 'resume' | 'drain' | 'stop'

/** Tells a stream something, and prints how it stands then. */
async function control(verb: Verb, pipeline: string, { source, accept, json }: Options): Promise<void> {
  const { askStatus, streamHandle, streamNamed, withStream } = await import('../stream-handle.js')
  const { withRunningTemporal } = await import('../temporal-session.js')
  const name = await streamNamed(readConfig(), pipeline, source)
  const resume: ResumeStream = accept === undefined ? {} : { accept }
  const status = await withRunningTemporal(({ client }) =>
    withStream(name, streamHandle(client, name), async (handle) => {
      if (verb === 'stop') {
        await handle.cancel()
        // How it ends is said by its status.
        await handle.result().catch(() => undefined)
      } else if (verb === 'resume') await handle.signal(STREAM_SIGNALS.resume, resume)
      else if (verb !== 'status') await handle.signal(STREAM_SIGNALS[verb])
      return askStatus(handle)
    }),
  )
  if (json === true) printJson(status)
  else printStream(status)
}
