import { createServer, type AddressInfo, type Socket } from 'node:net'
import Connection from 'kafkajs/src/network/connection.js'
import socketFactory from 'kafkajs/src/network/socketFactory.js'
import { afterEach, beforeEach, expect, it } from 'vitest'
import '../../lake/land/kafka/connect-once.js'

const sockets = new Set<Socket>()
const server = createServer((socket) => {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})

beforeEach(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  return new Promise((resolve) => server.close(resolve))
})

it('opens one socket for all who ask a broker at once, and leaves none behind', async () => {
  const silent = { debug: () => undefined, error: () => undefined }
  const connection = new Connection({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    logger: { namespace: () => silent },
    socketFactory: socketFactory(),
    connectionTimeout: 1000,
    requestTimeout: 1000,
  })
  await Promise.all([connection.connect(), connection.connect(), connection.connect()])
  expect(connection.isConnected()).toBe(true)
  await expect.poll(() => sockets.size).toBe(1)
  await connection.disconnect()
  await expect.poll(() => sockets.size).toBe(0)
  await connection.connect()
  await expect.poll(() => sockets.size).toBe(1)
  await connection.disconnect()
  await expect.poll(() => sockets.size).toBe(0)
})
