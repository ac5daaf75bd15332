/** One line on standard error that says what is going on; plain lines where standard error is no terminal. */
export interface Progress {
  update(text: string): void
  done(): void
  failed(): void
}

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
const INTERVAL_MS = 100
/** For terminals that say they have no columns. */
const WIDTH_DEFAULT = 80

export function startProgress(title: string): Progress {
  return process.stderr.isTTY ? spinner(title) : lines(title)
}

function spinner(title: string): Progress {
  const started = Date.now()
  let text = ''
  let frame = 0
  const draw = (): void => {
    frame += 1
    const line = `${FRAMES[frame % FRAMES.length] ?? ''} ${title} ${text} ${seconds(started)}`
    process.stderr.write(`\r\x1b[2K${line.slice(0, process.stderr.columns || WIDTH_DEFAULT)}`)
  }
  const timer = setInterval(draw, INTERVAL_MS)
  timer.unref()
  const end = (mark: string): void => {
    clearInterval(timer)
    process.stderr.write(`\r\x1b[2K${mark} ${title} ${seconds(started)}\n`)
  }
  return {
    update: (next) => {
      text = next
    },
    done: () => end('✓'),
    failed: () => end('✗'),
  }
}

function lines(title: string): Progress {
  const started = Date.now()
  let last = ''
  return {
    update: (next) => {
      if (next === last || next === '') return
      last = next
      process.stderr.write(`  ${title}: ${next}\n`)
    },
    done: () => process.stderr.write(`✓ ${title} ${seconds(started)}\n`),
    failed: () => process.stderr.write(`✗ ${title} ${seconds(started)}\n`),
  }
}

function seconds(started: number): string {
  return `(${((Date.now() - started) / 1000).toFixed(1)} s)`
}
