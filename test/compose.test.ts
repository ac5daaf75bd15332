import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

interface Service {
  readonly image: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly healthcheck?: unknown
  readonly restart?: string
}
const compose = parse(readFileSync(join(import.meta.dirname, '..', 'docker-compose.yaml'), 'utf8'), {
  merge: true,
}) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}
const services = Object.entries(compose.services)

test('every service that the design names is there', () => {
  expect(Object.keys(compose.services).sort()).toEqual(
    ['garage', 'garage-buckets', 'mlflow', 'redis', 'redpanda', 'temporal', 'worker'].sort(),
  )
})

test.each(services)('%s has a pinned image', (_name, service) => {
  expect(service.image).toMatch(/:v?\d+\.\d+\.\d+/)
})

test.each(services.filter(([, service]) => service.restart !== 'no'))(
  '%s has a health check',
  (_name, service) => {
    expect(service.healthcheck).toBeDefined()
  },
)

test.each(services.flatMap(([name, service]) => (service.ports ?? []).map((port) => [name, port])))(
  '%s listens on loopback only: %s',
  (_name, port) => {
    expect(port).toMatch(/^127\.0\.0\.1:/)
  },
)

test('named volumes are declared', () => {
  const used = services.flatMap(([, service]) => service.volumes ?? []).map((volume) => volume.split(':')[0]!)
  expect(used.filter((name) => /^[a-z]/.test(name) && !(name in compose.volumes))).toEqual([])
})
