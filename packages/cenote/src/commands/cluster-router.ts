import type { Command } from '../connection/command.js'
import { ConfigError, type ReplyError } from '../errors.js'
import { keyPositions, slotKey } from '../metadata/lookup.js'
import type { Pool } from '../pool/pool.js'
import type { Cluster } from '../topology/cluster/cluster.js'
import { slotOf } from '../topology/cluster/slot.js'
import { PoolRouter } from './pool-router.js'
import type { RouterContext } from './router.js'
import { ShardSubscriptions } from './shard-subscriptions.js'
import type { WatchSession } from './watch-session.js'

/** For a pool over a cluster: what concerns a connection concerns one of several servers. */
export class ClusterRouter extends PoolRouter {
  private readonly shards: ShardSubscriptions

  constructor(
    context: RouterContext,
    pool: Pool,
    private readonly cluster: Cluster,
    onWatching: (watching: boolean) => void,
  ) {
    super(context, pool, onWatching)
    const { emitter, options } = context
    this.shards = new ShardSubscriptions(emitter, options, cluster, (error) => context.report(error))
  }

  protected override place(
    command: Command,
    promise: Promise<unknown>,
    hasCallback: boolean,
    unordered: boolean,
  ): void {
    if (command.spec.name !== 'multi') super.place(command, promise, hasCallback, unordered)
    else {
      const error = 'multi({ pipeline: false }) is not possible on a cluster: it does not say which server it is for'
      this.pool.fail(command, new ConfigError(`${error}. Use multi(), or withConnection() with a key`))
    }
  }

  protected override subscribe(command: Command): void {
    const { name } = command.spec
    if (name === 'ssubscribe' || name === 'sunsubscribe') this.shards.dispatch(command)
    else super.subscribe(command)
  }

  override get subscriptionCount(): number {
    return super.subscriptionCount + this.shards.count
  }

  override get complaints(): readonly string[] {
    return [...super.complaints, ...this.shards.complaints]
  }

  /** Servers told who has which slot. */
  override onSurveyed(): void {
    this.shards.follow()
  }

  protected override isElsewhere(session: WatchSession, command: Command): boolean {
    const { spec, args } = command
    const [watched] = session.keys
    const key = slotKey(spec, args) ?? args[keyPositions(spec, args)[0] ?? -1]
    return key !== undefined && watched !== undefined && slotOf(key) !== slotOf(watched)
  }

  protected override isRedirect(error: ReplyError): boolean {
    return this.cluster.noteRedirect(error)
  }

  override destroy(): void {
    super.destroy()
    this.shards.destroy()
  }
}
