/** Documents that real producers send but the sample lacks, made from one of its documents. */
export interface Variant {
  readonly name: string
  readonly text: string
}

type Members = Record<string, unknown>

/** `text`: a document of the sample, best a short one. Each variant has an identity of its own but for the duplicates. */
export function variantsOf(text: string): readonly Variant[] {
  return [
    { name: 'as it is', text },
    {
      name: 'older producer, members absent',
      text: olderProducer(text, Reflect.deleteProperty),
    },
    {
      name: 'older producer, members null',
      text: olderProducer(text, (members, key) => (members[key] = null)),
    },
    { name: 'duplicate with another result', text: changed(text, (run) => (run.result.minimum = -99)) },
    { name: 'duplicate with members in another order', text: JSON.stringify(reversed(JSON.parse(text))) },
    { name: 'no iterations', text: changed(text, cutTo(0, 11)) },
    { name: 'one iteration', text: changed(text, cutTo(1, 12)) },
    { name: 'two iterations', text: changed(text, cutTo(2, 13)) },
    { name: 'seven iterations', text: changed(text, cutTo(7, 14)) },
    { name: 'least energy zero', text: changed(text, flatAtZero) },
    {
      name: 'text beyond ASCII',
      text: changed(text, (run) => (run.start.ansatz = 'θ₀ 量子 \u{1F9CA} "quoted"\n')),
    },
    { name: 'whole numbers written as decimals', text: decimals(text) },
    {
      name: 'iterations out of order',
      text: changed(text, backwards),
    },
    { name: 'absurd energies and distances', text: changed(text, absurd) },
    { name: 'no parameters', text: changed(text, withoutParameters) },
  ]
}

interface OpenRun {
  readonly result: Members
  readonly start: Members
  readonly steps: Members[]
}

function changed(text: string, change: (run: OpenRun) => void): string {
  const document = JSON.parse(text)
  const result = document.vqe_result
  change({ result, start: result.initial_data, steps: result.iteration_list })
  return JSON.stringify(document)
}

function cutTo(count: number, seed: number): (run: OpenRun) => void {
  return ({ start, steps }) => {
    start.seed = seed
    steps.splice(count)
  }
}

function backwards({ start, steps }: OpenRun): void {
  start.seed = 17
  steps.reverse()
}

function olderProducer(text: string, leaveOut: (members: Members, key: string) => unknown): string {
  return changed(text, ({ result, start, steps }) => {
    for (const key of ['default_shots', 'init_strategy', 'seed', 'ansatz_name']) leaveOut(start, key)
    for (const key of ['maxcv', 'nuclear_repulsion_energy', 'success', 'nfev', 'nit']) leaveOut(result, key)
    for (const step of steps) {
      for (const key of ['energy_delta', 'parameter_delta_norm', 'cumulative_min_energy']) leaveOut(step, key)
    }
  })
}

function flatAtZero({ start, steps }: OpenRun): void {
  start.seed = 15
  for (const step of steps) Object.assign(step, { result: 0, energy_delta: -0, cumulative_min_energy: 0 })
}

/** Finite, but their squares are beyond a double. */
function absurd({ start, steps }: OpenRun): void {
  start.seed = 18
  for (const [i, step] of steps.entries()) {
    Object.assign(step, { result: i % 2 === 0 ? 1e200 : -1e200, parameter_delta_norm: 1e190 * i })
  }
}

function withoutParameters({ result, start, steps }: OpenRun): void {
  start.initial_parameters = []
  result.optimal_parameters = []
  for (const step of steps) step.parameters = []
}

function decimals(text: string): string {
  return changed(text, (run) => (run.start.seed = 16))
    .replace('"num_qubits":4', '"num_qubits":4.0')
    .replace('"iteration":3,', '"iteration":3e0,')
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  )
}
