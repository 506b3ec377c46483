import { type ScanCall, ScanStream, type ScanStreamOptions } from './scan-stream.js'

/** Streams over SCAN and its kin; the Buffer twins give names and values as Buffers. */
export interface ScanStreams {
  scanStream(options?: ScanStreamOptions): ScanStream
  scanBufferStream(options?: ScanStreamOptions): ScanStream
  hscanStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream
  hscanBufferStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream
  sscanStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream
  sscanBufferStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream
  zscanStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream
  zscanBufferStream(key: string | Buffer, options?: ScanStreamOptions): ScanStream
}

type Scanner = Record<string, (...args: (string | Buffer)[]) => ReturnType<ScanCall>>

export function installScanStreams(prototype: object): void {
  for (const command of ['scan', 'hscan', 'sscan', 'zscan']) {
    for (const binary of ['', 'Buffer']) {
      const method = command + binary
      const call =
        (scanner: Scanner): ScanCall =>
        (args) =>
          scanner[method]!(...args)
      const stream =
        command === 'scan'
          ? function (this: Scanner, options?: ScanStreamOptions) {
              return new ScanStream(call(this), undefined, options)
            }
          : function (this: Scanner, key: string | Buffer, options?: ScanStreamOptions) {
              return new ScanStream(call(this), key, options)
            }
      Object.defineProperty(prototype, `${method}Stream`, { value: stream, configurable: true, writable: true })
    }
  }
}
