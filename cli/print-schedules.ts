import type { NightView, ScheduleView } from '../workers/schedule-views.js'
import { print, printHeading, printSection, printTable } from './output.js'

export function printSchedules(views: readonly ScheduleView[]): void {
  if (views.length === 0) {
    print('the server has no schedules: `firn schedules apply` makes them')
    return
  }
  printTable(
    ['pipeline', 'cron', 'time zone', 'state', 'next batch', 'starts', 'runs', 'waits', 'missed'],
    views.map((view) => [
      ...[view.pipeline, view.cron, view.timezone, stateOf(view)],
      ...[view.next[0]?.batch, view.next[0]?.startsAt],
      ...[view.running.length, view.waiting, view.missed.length],
    ]),
  )
  const nights = views.flatMap((view) => view.nights.map((night) => [view.pipeline, ...cellsOf(night)]))
  if (nights.length === 0) return
  printHeading('last nights')
  printTable(['pipeline', ...NIGHT_COLUMNS], nights)
}

export function printSchedule(view: ScheduleView): void {
  print(`${view.id}: ${view.cron} in ${view.timezone}, ${stateOf(view)}`)
  if (view.jitter !== undefined) print(`starts up to ${view.jitter} later (jitter)`)
  print(`a night that could not be started is caught up for ${view.catchUp}`)
  print(`runs: ${view.running.join(', ') || 'none'}; waits for its end: ${view.waiting}`)
  print(`dropped since two were due already: ${view.skippedByOverlap}; too late: ${view.pastCatchUp}`)
  printSection(
    'next',
    ['batch', 'starts'],
    view.next.map(({ batch, startsAt }) => [batch, startsAt]),
  )
  printSection('last nights', NIGHT_COLUMNS, view.nights.map(cellsOf))
  printSection(
    `missed since ${view.lookedBackTo ?? '?'}`,
    ['batch', 'why', 'its night'],
    view.missed.map(({ batch, why, workflowId }) => [batch, why, workflowId]),
  )
}

const NIGHT_COLUMNS = ['batch', 'workflow', 'outcome', 'started', 'workflow id'] as const

function cellsOf(night: NightView) {
  return [night.batch, night.status, night.outcome, night.startedAt, night.workflowId]
}

function stateOf({ stale, paused, note }: ScheduleView): string {
  const state = stale ? 'stale: no pipeline has it' : paused ? 'paused' : 'on'
  return note === undefined ? state : `${state} (${note})`
}
