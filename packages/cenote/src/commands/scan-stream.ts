import { Readable, type ReadableOptions } from 'node:stream'

export interface ScanStreamOptions extends ReadableOptions {
  match?: string | undefined
  /** Only keys of this type; SCAN alone takes it. */
  type?: string | undefined
  count?: number | string | undefined
  /** HSCAN without values. */
  noValues?: boolean | undefined
}

/** One call of SCAN or its kin: arguments in, cursor and elements out. */
export type ScanCall = (args: (string | Buffer)[]) => Promise<[cursor: string | Buffer, elements: unknown[]]>

/**
 * The elements of a keyspace or collection, one array per round trip. As with SCAN itself an array may be empty, and an
 * element may come twice. Also an async iterable.
 */
export class ScanStream extends Readable {
  private readonly scan: ScanCall
  private readonly key: string | Buffer | undefined
  private readonly tail: string[] = []
  private cursor = '0'
  private drained = false

  constructor(call: ScanCall, key: string | Buffer | undefined, options: ScanStreamOptions = {}) {
    const { match, type, count, noValues, ...readable } = options
    super({ ...readable, objectMode: true })
    this.scan = call
    this.key = key
    if (match) this.tail.push('MATCH', String(match))
    if (type) this.tail.push('TYPE', String(type))
    if (count) this.tail.push('COUNT', String(count))
    if (noValues) this.tail.push('NOVALUES')
  }

  override _read(): void {
    if (this.drained) {
      this.push(null)
      return
    }
    const place = this.key === undefined ? [this.cursor] : [this.key, this.cursor]
    this.scan([...place, ...this.tail]).then(
      ([cursor, elements]) => {
        this.cursor = String(cursor)
        if (this.cursor === '0') this.drained = true
        this.push(elements)
      },
      (error: Error) => this.destroy(error),
    )
  }

  /** Ends after the batch that is under way. */
  close(): void {
    this.drained = true
  }
}
