declare module 'kafkajs/src/network/connection.js' {
  /** A socket to a broker and what was asked through it. */
  export default class Connection {
    constructor(options: object)
    connect: (this: Connection) => Promise<boolean>
    disconnect(): Promise<void>
    isConnected(): boolean
  }
}
declare module 'kafkajs/src/network/socketFactory.js' {
  export default function createSocketFactory(): unknown
}
