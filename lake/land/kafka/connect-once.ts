import Connection from 'kafkajs/src/network/connection.js'

// kafkajs opens one socket for each who asks a broker at once and forgets all but the last: the others hold their
// process alive for good. Here those who ask while it connects wait for the same socket.
const running = new WeakMap<Connection, Promise<boolean>>()
const { connect } = Connection.prototype

Connection.prototype.connect = function (this: Connection): Promise<boolean> {
  const already = running.get(this)
  if (already !== undefined) return already
  const connecting = connect.call(this).finally(() => running.delete(this))
  running.set(this, connecting)
  return connecting
}
