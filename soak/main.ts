import { parseArgs } from 'node:util'

/**
 * `npm run soak iceberg -- [--histories N] [--seed S] [--json]`, `npm run soak fuzz -- [--cases N] [--seed S] [--json]`,
 * `npm run soak landing -- [--rounds N] [--messages M] [--seed S] [--json]`,
 * `npm run soak nights -- [--months M] [--seed S] [--json]`:
 * exit code 1 where anything was wrong, 2 for a call that makes no sense.
 */
const { values, positionals } = parseArgs({
  options: {
    histories: { type: 'string', default: '2000' },
    cases: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '50' },
    messages: { type: 'string', default: '200000' },
    months: { type: 'string', default: '24' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    json: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const report = (text: string): void => void process.stderr.write(`${text}\n`)
const seed = whole(values.seed, 0)

switch (positionals[0] ?? 'iceberg') {
  case 'iceberg': {
    const histories = whole(values.histories, 1)
    report(`${histories} histories from seed ${seed} on; one of them again: --histories 1 --seed S`)
    const { soakIceberg } = await import('./iceberg/soak-iceberg.js')
    const result = await soakIceberg({ histories, seed, report })
    print(result)
    const { lost, doubled, deletedLive, resurrected } = result
    process.exitCode = lost + doubled + deletedLive + resurrected === 0 ? 0 : 1
    break
  }
  case 'fuzz': {
    const cases = whole(values.cases, 1)
    report(`${cases} damaged files from seed ${seed} on; one of them again: --cases 1 --seed S`)
    const { soakFuzz } = await import('./fuzz/soak-fuzz.js')
    const onCase = (at: number): void => {
      if (at % 100 === 0) report(`at seed ${at}`)
    }
    const result = await soakFuzz({ cases, seed, report, onCase })
    print(result)
    process.exitCode = result.unclear + result.wrong === 0 ? 0 : 1
    break
  }
  case 'landing': {
    const rounds = whole(values.rounds, 1)
    report(`${rounds} rounds from seed ${seed}`)
    const { soakLanding } = await import('./landing/soak-landing.js')
    const result = await soakLanding({ rounds, messages: whole(values.messages, 1), seed, report })
    print(result)
    const isExact = result.deadLetters === result.deadLettersExpected
    process.exitCode = result.lost + result.doubled === 0 && isExact ? 0 : 1
    break
  }
  case 'nights': {
    const months = whole(values.months, 1)
    report(`${months} months of nights from seed ${seed}`)
    const { soakNights } = await import('./nights/soak-nights.js')
    const result = await soakNights({ months, seed, report })
    print(result)
    const { lost, doubled, missingFiles, exceeded } = result
    process.exitCode = lost + doubled + missingFiles + exceeded.length === 0 ? 0 : 1
    break
  }
  default:
    usage()
}

function whole(text: string, least: number): number {
  const value = Number(text)
  return Number.isInteger(value) && value >= least ? value : usage()
}

function print(result: object): void {
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
  else console.table(result)
}

function usage(): never {
  report(
    'usage: npm run soak iceberg|fuzz|landing|nights -- [--histories N | --cases N | --rounds N --messages M | --months M] [--seed S] [--json]',
  )
  process.exit(2)
}
