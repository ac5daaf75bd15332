import { InvalidArgumentError, type Command } from 'commander'
import type {
  SearchModelResult,
  TrainModelInput,
  TrainModelResult,
  TrainRequest,
} from '../../schemas/model-messages.js'
import { FirnError } from '../../schemas/error.js'
import { workflowIds } from '../../schemas/workflow-names.js'
import { integerOption } from '../integer-option.js'
import { curvePrinter } from '../print-curve.js'
import { printJson } from '../output.js'
import { printSearch, printTrainer, printTraining } from '../print-training.js'
import { runWorkflow } from '../run-workflow.js'

type Parameters = NonNullable<TrainModelInput['parameters']>

interface Options {
  readonly at?: string
  readonly seed?: number
  readonly estimator?: string
  readonly service?: string
  readonly parameter?: Parameters
  /** False with --no-register. */
  readonly register: boolean
  readonly search?: true
  readonly signal?: true
  readonly follow?: true
  readonly json?: true
}

export function addTrainCommand(program: Command): void {
  program
    .command('train')
    .description(
      'train a model on the tables as they are at a tag; measure it and register it with its inputs',
    )
    .argument('<pipeline>')
    .argument('<model>')
    .option('--at <tag>', "tag to train on (default: the pipeline's newest batch)")
    .option('--seed <n>', 'seed of everything random (default 0)', integerOption)
    .option('--estimator <name>', "one of the model's estimators (default: its first)")
    .option('--service <name>', "another feature service than the model's: same rows, other features")
    .option('--parameter <name=value...>', 'parameters of the estimator to change', parameterOption)
    .option('--no-register', 'measure it and register no version')
    .option('--search', "try the parameters of the model's search, register the best")
    .option('--signal', "ask the model's trainer, which runs on the server, and return at once")
    .option('--follow', 'print the loss by epoch as it falls; with --signal: wait for the end')
    .option('--json', 'print the result as JSON')
    .action(train)
}

async function train(pipeline: string, model: string, options: Options): Promise<void> {
  refuseContradictions(options)
  const of = { pipeline, model }
  if (options.signal === true) await askTrainer(of, options)
  else if (options.search === true) await search(of, options)
  else await trainNow(of, options)
}

type Name = Pick<TrainModelInput, 'pipeline' | 'model'>

async function trainNow({ pipeline, model }: Name, options: Options): Promise<void> {
  const { parameter, register } = options
  const input: TrainModelInput = {
    ...{ pipeline, model, ...requestOf(options) },
    ...(parameter === undefined ? {} : { parameters: parameter }),
    ...(register ? {} : { register }),
  }
  const result = await runWorkflow<TrainModelResult>({
    ...{ workflow: 'trainModel', workflowId: workflowIds.train(pipeline, model), input },
    summary: `train ${model}`,
    ...(options.follow === true ? { watch: curvePrinter() } : {}),
  })
  if (options.json === true) printJson(result)
  else printTraining(result)
}

async function search({ pipeline, model }: Name, options: Options): Promise<void> {
  const result = await runWorkflow<SearchModelResult>({
    ...{ workflow: 'searchModel', workflowId: workflowIds.search(pipeline, model) },
    input: { pipeline, model, ...requestOf(options) },
    summary: `search ${model}`,
  })
  if (options.json === true) printJson(result)
  else printSearch(result)
}

async function askTrainer(of: Name, options: Options): Promise<void> {
  const { requestTraining } = await import('../trainer-handle.js')
  const request = { ...requestOf(options), ...(options.search === true ? { search: true } : {}) }
  const status = await requestTraining(of, request, options)
  if (options.json === true) printJson(status)
  else printTrainer(status)
  if (options.follow === true && status.lastError !== undefined) process.exitCode = 1
}

function requestOf({ at, seed, estimator, service }: Options): Omit<TrainRequest, 'search'> {
  return {
    ...(at === undefined ? {} : { at }),
    ...(seed === undefined ? {} : { seed }),
    ...(estimator === undefined ? {} : { estimator }),
    ...(service === undefined ? {} : { service }),
  }
}

function refuseContradictions({ search, signal, follow, register, parameter, estimator }: Options): void {
  const own = [
    ...(parameter === undefined ? [] : ['--parameter']),
    ...(register ? [] : ['--no-register']),
    ...(estimator !== undefined && search === true ? ['--estimator'] : []),
    ...(follow === true && search === true && signal !== true ? ['--follow'] : []),
  ]
  const [first] = own
  if (first === undefined || (search !== true && signal !== true)) return
  const by = search === true ? '--search' : '--signal'
  const why =
    search === true
      ? 'a search takes estimator and parameters from its definition, and registers the best'
      : 'a trainer registers what it trains, with the parameters of its definition'
  throw new FirnError('invalid-input', `${first} can't go with ${by}: ${why}. Leave out one of them.`)
}

/** Parser of a repeatable `name=value`; what reads as a number is one. */
function parameterOption(text: string, before: Parameters = {}): Parameters {
  const [, name = '', value = ''] = /^([A-Za-z]\w*)=(.+)$/s.exec(text) ?? []
  if (name === '') throw new InvalidArgumentError('Give a parameter and its value, such as maxDepth=3.')
  const number = Number(value)
  return { ...before, [name]: Number.isFinite(number) && value.trim() !== '' ? number : value }
}
