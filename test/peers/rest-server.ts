import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Apache's own REST server, the one that the compatibility kit brings. */
export interface RestServer {
  readonly port: number
  /** `file:///…` */
  readonly warehouse: string
  stop(): Promise<void>
}

const MAVEN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath'
const STARTED_WITHIN_MS = 60_000

/** The class path of the server, or why there is none. */
export function restServerClassPath(): { readonly classPath: string } | { readonly reason: string } {
  const folder = mkdtempSync(join(tmpdir(), 'firn-class-path-'))
  try {
    const output = join(folder, 'class-path')
    const pom = join(import.meta.dirname, 'rck', 'pom.xml')
    execFileSync('mvn', ['-q', '-B', '-f', pom, MAVEN, `-Dmdep.outputFile=${output}`], {
      stdio: 'pipe',
      timeout: 300_000,
    })
    return { classPath: readFileSync(output, 'utf8').trim() }
  } catch (error) {
    return {
      reason: `no class path of Apache's REST server: ${error instanceof Error ? error.message.slice(0, 200) : ''}`,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Over a SQLite database of its own in `folder`. */
export async function startRestServer(classPath: string, folder: string): Promise<RestServer> {
  const port = await freePort()
  const warehouse = `file://${folder}/warehouse`
  const child = spawn('java', ['-cp', classPath, 'org.apache.iceberg.rest.RESTCatalogServer'], {
    env: {
      ...process.env,
      CATALOG_REST_PORT: String(port),
      CATALOG_WAREHOUSE: warehouse,
      CATALOG_URI: `jdbc:sqlite:${folder}/java-catalog.db`,
      CATALOG_IO__IMPL: 'org.apache.iceberg.hadoop.HadoopFileIO',
    },
    stdio: 'ignore',
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  for (let waited = 0; !(await answers(port)); waited += 200) {
    if (waited > STARTED_WITHIN_MS || child.exitCode !== null)
      throw new Error('Apache’s REST server did not start')
    await sleep(200)
  }
  return {
    port,
    warehouse,
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/v1/config`)).ok
  } catch {
    return false
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
