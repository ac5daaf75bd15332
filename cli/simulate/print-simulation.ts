import { formatBytes, print, printJson } from '../output.js'
import type { BadKind } from './break-documents.js'
import type { Sent } from './run-simulation.js'
import type { Simulation, Truth } from './simulation.js'
import type { Place } from './sink.js'

interface Outcome {
  readonly simulation: Simulation
  readonly seed: number
  readonly sent: Sent
  readonly bad: Readonly<Record<BadKind, number>>
  readonly place: Place
}

export function printSimulation(outcome: Outcome, asJson: boolean): void {
  const { simulation, seed, sent, bad, place } = outcome
  const truth = simulation.truth?.()
  if (asJson) {
    const { name } = simulation
    printJson({ simulated: true, simulation: name, seed, ...sent, bad, to: place, ...truth })
    return
  }
  const what = `${count(sent.sent)} made-up documents (seed ${seed}; no real data), ${formatBytes(sent.bytes)}`
  print(`${sent.stopped ? 'stopped: ' : ''}sent ${what}, in ${sent.seconds.toFixed(1)} s`)
  print(`to ${placeText(place)}`)
  const broken = Object.entries(bad).filter(([, times]) => times > 0)
  if (broken.length > 0)
    print(`broken on purpose: ${broken.map(([kind, times]) => `${kind} ${count(times)}`).join(', ')}`)
  if (truth !== undefined) print(truthText(truth))
}

function placeText(place: Place): string {
  if (place.kind === 'folder') return `${place.folder}, ${count(place.files)} files`
  const made = place.created ? ' (the topic was made)' : ''
  return `topic ${place.topic} on ${place.brokers.join(',')}, ${place.partitions} partitions${made}`
}

function truthText({ users, observations, churned, bestAuc, bestAucRecentlyActive }: Truth): string {
  if (bestAuc === null) {
    return `${count(users)} users; too few days for the best possible AUC, which takes at least 62: send more, or choose fewer --users`
  }
  const share = ((100 * churned) / observations).toFixed(1)
  const recent =
    bestAucRecentlyActive === null
      ? ''
      : `; among users who paid in the 30 days before: ${bestAucRecentlyActive.toFixed(4)}`
  return (
    `${count(users)} users, ${count(observations)} observations of them, ${share} % churned. ` +
    `Best possible AUC of a churn model: ${bestAuc.toFixed(4)}${recent}`
  )
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}
