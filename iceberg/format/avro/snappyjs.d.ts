declare module 'snappyjs' {
  export function compress(plain: Uint8Array): Uint8Array
  export function uncompress(packed: Uint8Array, mostBytes?: number): Uint8Array
}
