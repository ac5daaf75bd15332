import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { TrainedModel, TrainingRequest } from '../../schemas/model-messages.js'
import { readPeers } from '../support/peers.js'

export const { mlPython, missing } = readPeers()
export const why = mlPython === null ? ` [${missing['ml'] ?? 'run `node scripts/peers.mjs` first'}]` : ''

const folder = fileURLToPath(new URL('../../examples/python-trainer', import.meta.url))
const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }

/** Runs Python in the example's folder; what it says on both streams, rejects where it fails. */
export function python(args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      mlPython!,
      args,
      { cwd: folder, env, maxBuffer: 1 << 26 },
      (error, stdout, stderr) =>
        error === null ? resolve(stdout + stderr) : reject(new Error(`${error.message}\n${stdout}${stderr}`)),
    )
    child.stdin!.end(input)
  })
}

export type Answer = TrainedModel | { readonly kind: string; readonly message: string }

/** What the activity does with each request, without a server. */
export async function trainInPython(requests: readonly TrainingRequest[]): Promise<readonly Answer[]> {
  const program = `
import json, sys
from firn_sklearn.failure import Failure
from firn_sklearn.training import train
def answer(request):
    try:
        return train(request, lambda text: None)
    except Failure as error:
        return {"kind": error.kind, "message": str(error)}
print(json.dumps([answer(request) for request in json.load(sys.stdin)]))`
  return JSON.parse(await python(['-W', 'ignore', '-c', program], JSON.stringify(requests))) as Answer[]
}

export interface PythonWorker {
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>
  kill(): Promise<void>
}

/** The example's worker, ready to take trainings. */
export async function startPythonWorker(address: string): Promise<PythonWorker> {
  const child = spawn(mlPython!, ['-m', 'firn_sklearn'], {
    cwd: folder,
    env: { ...env, TEMPORAL_ADDRESS: address },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  await ready(child)
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await ended
  }
  return { stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
}

function ready(child: ChildProcess): Promise<void> {
  let said = ''
  return new Promise((resolve, reject) => {
    child.stderr!.on('data', (chunk) => {
      said = (said + String(chunk)).slice(-3000)
      if (said.includes('taking trainings from')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the Python worker ended with ${code}: ${said}`)))
  })
}
