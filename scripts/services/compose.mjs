// Services in containers of docker-compose.yaml, where Docker or Podman answers. Their ports are those of that file.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ServiceError, onPath, run } from './packages.mjs'
import { writeState } from './state.mjs'

const FILE = fileURLToPath(new URL('../../docker-compose.yaml', import.meta.url))
const CONTAINERS = { temporal: 'temporal', kafka: 'redpanda', s3: 'garage', redis: 'redis', mlflow: 'mlflow' }
const START_TIMEOUT_MS = 1_800_000

/** The engine's command; undefined where none answers that knows compose. */
export async function engine() {
  if (!existsSync(FILE)) return undefined
  for (const program of ['docker', 'podman']) {
    if (onPath(program) === undefined) continue
    try {
      await run(program, ['compose', 'version'], { timeoutMs: 20_000 })
      await run(program, ['info'], { timeoutMs: 20_000 })
      return program
    } catch {
      continue
    }
  }
  return undefined
}

export async function start({ names, dir, state, say }) {
  const containers = names.map((name) => CONTAINERS[name])
  say(`starting containers, which are fetched the first time: ${containers.join(', ')} …`)
  await compose(['up', '--detach', '--wait', ...containers], START_TIMEOUT_MS)
  // A container that ends by itself would be a failure to `up --wait`.
  if (names.includes('s3')) await compose(['run', '--rm', '--no-deps', 'garage-buckets'], START_TIMEOUT_MS)
  const config = JSON.parse(await compose(['config', '--format', 'json']))
  for (const name of names) {
    state.services[name] = { from: 'compose', environment: ENVIRONMENTS[name](config.services) }
    say(`${name}: ready`)
  }
  writeState(dir, state)
}

export async function stop(names, force, say) {
  await compose(['stop', ...(force ? ['--timeout', '0'] : []), ...names.map((name) => CONTAINERS[name])])
  for (const name of names) say(`${name}: stopped`)
}

export async function kill(names, signal) {
  await compose(['kill', '--signal', signal, ...names.map((name) => CONTAINERS[name])])
}

/** Which of those that were started in containers run. */
export async function running(services) {
  const names = Object.keys(CONTAINERS).filter((name) => services[name]?.from === 'compose')
  if (names.length === 0) return []
  const up = (await compose(['ps', '--services', '--status', 'running'])).split('\n')
  return names.filter((name) => up.includes(CONTAINERS[name]))
}

const ENVIRONMENTS = {
  temporal: ({ temporal }) => ({ TEMPORAL_ADDRESS: address(temporal, 7233) }),
  kafka: ({ redpanda }) => ({ FIRN_KAFKA_BROKERS: address(redpanda, 19092) }),
  s3: ({ garage, 'garage-buckets': buckets }) => ({
    FIRN_S3_ENDPOINT: `http://${address(garage, 3900)}`,
    FIRN_S3_REGION: 'garage',
    AWS_ACCESS_KEY_ID: buckets.environment.AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY: buckets.environment.AWS_SECRET_ACCESS_KEY,
    FIRN_WAREHOUSE: 's3://features/warehouse',
  }),
  redis: ({ redis }) => ({ FIRN_REDIS_URL: `redis://${address(redis, 6379)}` }),
  mlflow: ({ mlflow }) => ({ MLFLOW_TRACKING_URI: `http://${address(mlflow, 5000)}` }),
}

function address({ ports }, inside) {
  const { host_ip: host, published } = ports.find(({ target }) => target === inside)
  return `${host}:${published}`
}

async function compose(args, timeoutMs = 120_000) {
  const program = await engine()
  if (program === undefined)
    throw new ServiceError(
      'no container engine with compose answers (docker, podman): start it, or give --from packages.',
    )
  // The keys of this shell may be those of a real store; the file has its own, and takes others from `.env`.
  const env = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }
  return run(program, ['compose', '--file', FILE, ...args], { env, timeoutMs })
}
