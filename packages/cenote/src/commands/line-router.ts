import type { Command } from '../connection/command.js'
import { ConfigError } from '../errors.js'
import { FLAG, isBlockingCall } from '../metadata/lookup.js'
import type { LeasedConnection } from '../node/leased-connection.js'
import type { Line } from '../node/line.js'
import { Router, type RouterContext } from './router.js'

/** For a duplicate: everything goes over its one connection, in order. */
export class LineRouter extends Router {
  constructor(
    context: RouterContext,
    private readonly line: Line,
  ) {
    super(context, line)
  }

  protected place(command: Command): void {
    if ((command.spec.flags & FLAG.SUBSCRIBE) !== 0) {
      this.subscribe(command)
      return
    }
    if (this.handles(command)) return
    this.prepare(command)
    this.line.send(command)
  }

  protected placeBatch(commands: readonly Command[]): void {
    const rest = this.withoutSubscriptions(commands)
    for (const command of rest) this.prepare(command)
    if (rest.length > 0) this.line.sendAll(rest)
  }

  private prepare(command: Command): void {
    const { spec, args } = command
    if (spec.name === 'select') this.select(command)
    else if (isBlockingCall(spec, args)) this.context.limit(command)
  }

  protected prepareSelect(command: Command, database: number, refused: () => void): void {
    this.line.prepareSelect(command, database, refused)
  }

  protected sendSubscription(command: Command): void {
    this.line.send(command)
  }

  tryAcquire(): undefined {
    return undefined
  }

  acquire(): Promise<LeasedConnection> {
    return Promise.reject(
      new ConfigError('A duplicate has one connection and lends none; acquire from the pool it was made from'),
    )
  }

  transactionTarget(): undefined {
    return undefined
  }
}
