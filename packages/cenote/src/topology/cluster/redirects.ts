import type { ResolvedCluster } from '../../config/cluster.js'
import type { LoopClock } from '../../connection/clock.js'
import { ASKING, type Command, SETTLED, TRANSACTION } from '../../connection/command.js'
import { RedirectionError, ReplyError } from '../../errors.js'
import { blockTimeoutMs, blockTimePlace, mayForgeErrors } from '../../metadata/lookup.js'
import type { Node } from '../../node/node.js'
import type { CommandArg } from '../../wire/encode.js'
import { type Hindrance, hindranceOf, type Redirect, redirectOf } from './redirect.js'
import type { Server, Servers } from './servers.js'
import type { Survey } from './survey.js'
import { slotOfUnit, type Ways } from './ways.js'

/** Redirects in a row that are followed at once; after them the servers get time to agree, ms, ever more. */
const AT_ONCE = 3
const PAUSE_MS = 10
const PAUSE_MAX_MS = 250

/** A server that others redirect to stays for so long, ms, though no slot is its own yet. */
const WANTED_MS = 60_000

/** What becomes of a command that a server refused. */
type Verdict = 'taken' | number | undefined

/** Takes over what one server of the cluster refuses because another has, or will have, the slot. */
export class Redirects {
  private readonly hops = new WeakMap<Command, number>()
  /** Active time at which blocking commands that moved have waited for long enough. */
  private readonly blocksUntil = new WeakMap<Command, number>()

  constructor(
    private readonly settings: ResolvedCluster,
    private readonly servers: Servers,
    private readonly ways: Ways,
    private readonly survey: Survey,
    private readonly clock: LoopClock,
  ) {}

  /** See {@link Detour}. */
  refused(node: Node, command: Command, error: ReplyError): Verdict {
    const cause = decisive(command, error)
    if (cause === undefined) return undefined
    // Commands between MULTI and EXEC are only queued, scripts too, so what is said of them is the server's own.
    const forgeable = (command.flags & TRANSACTION) === 0 && mayForgeErrors(command.spec)
    const redirect = redirectOf(cause)
    if (redirect !== undefined) {
      if (forgeable && redirect.slot !== slotOfUnit([command])) return undefined
      return this.follow(node, command, redirect, cause)
    }
    if (!forgeable && (cause.kind === 'MOVED' || cause.kind === 'ASK')) return this.onNonsense(node, command, cause)
    const hindrance = hindranceOf(cause, forgeable)
    return hindrance === undefined ? undefined : this.wait(node, command, hindrance, cause)
  }

  /**
   * The same for a command that had a connection to itself.
   * @param run sends it again, to a certain server or to the one that has its slot
   */
  rerun(node: Node, command: Command, error: ReplyError, run: (command: Command, on?: Node) => void): boolean {
    const forgeable = mayForgeErrors(command.spec)
    const redirect = redirectOf(error)
    let on: Node | undefined
    let pause = PAUSE_MS
    if (UNBLOCKED.test(error.message)) this.survey.request('lost')
    else if (redirect !== undefined && redirect.slot === slotOfUnit([command])) {
      const hops = this.hop(command)
      if (hops > this.settings.maxRedirections) return false
      const target = this.targetOf(redirect, node)
      if (redirect.kind === 'ask') on = target.node
      else {
        if (this.ways.patch(redirect.slot, target)) this.survey.request('moved')
        this.ways.openIfDue(this.ways.gateOf(redirect.slot, node), this.clock.now)
      }
      pause = this.pause(hops, target.node === node)
    } else {
      const hindrance = hindranceOf(error, forgeable)
      if (hindrance === undefined) return false
      if (hindrance !== 'tryagain') this.survey.request('lost')
      pause = this.settings.tryAgainDelayMs
    }
    node.restart(command)
    if (on !== undefined) command.flags |= ASKING
    this.clock.alarm(pause, () => {
      if (command.stage === SETTLED) return
      if (this.shorten(command)) run(command, on)
      else command.succeed(null)
    })
    return true
  }

  /** What is left of the time that a blocking command may wait at the server. False when none is. */
  private shorten(command: Command): boolean {
    const { spec } = command
    const args = command.args as CommandArg[]
    const block = blockTimeoutMs(spec, args)
    const place = blockTimePlace(spec, args)
    if (place === undefined || block === undefined || block === Number.POSITIVE_INFINITY || block === 0) return true
    const until = this.blocksUntil.get(command) ?? command.startedAt + block
    this.blocksUntil.set(command, until)
    const left = Math.floor(until - this.clock.refresh())
    if (left < 1) return false
    args[place] = String(left / spec.blockTimeUnit)
    return true
  }

  /** For those who see to the rest themselves: true when another server has, or will have, the keys. */
  note(error: ReplyError): boolean {
    const redirect = redirectOf(error)
    if (redirect?.kind === 'moved' && redirect.host !== '') {
      const owner = this.servers.ensure(redirect.host, redirect.port, 'primary')
      owner.wantedUntil = this.clock.refresh() + WANTED_MS
      const old = this.ways.owners[redirect.slot]?.node
      if (this.ways.patch(redirect.slot, owner) && old !== undefined) {
        this.ways.openIfDue(this.ways.gateOf(redirect.slot, old), this.clock.now)
      }
    }
    if (redirect !== undefined) this.survey.request('moved')
    return redirect !== undefined || hindranceOf(error, false) !== undefined
  }

  private follow(node: Node, command: Command, redirect: Redirect, error: ReplyError): Verdict {
    const hops = this.hop(command)
    if (hops > this.settings.maxRedirections) return this.giveUp(node, command, hops - 1, error)
    const target = this.targetOf(redirect, node)
    return redirect.kind === 'ask'
      ? this.ask(node, command, redirect.slot, target)
      : this.move(node, command, redirect.slot, target, hops)
  }

  private targetOf({ host, port }: Redirect, from: Node): Server {
    // A server that does not know its own name means the one that was asked.
    const target = this.servers.ensure(host || (this.servers.of(from)?.host ?? ''), port, 'primary')
    target.wantedUntil = this.clock.refresh() + WANTED_MS
    return target
  }

  private ask(node: Node, command: Command, slot: number, target: Server): Verdict {
    const whole = node.restart(command)
    const gate = this.ways.gated(slot)
    // With the slot gated, others for it wait for those that come back.
    if (gate !== undefined) gate.giveBack(whole)
    else {
      whole[0]!.flags |= ASKING
      target.node.resume(whole)
    }
    return 'taken'
  }

  private move(node: Node, command: Command, slot: number, target: Server, hops: number): Verdict {
    const whole = node.restart(command)
    const isNews = this.ways.patch(slot, target)
    if (isNews) this.survey.request('moved')
    const gate = this.ways.gateOf(slot, node)
    gate.giveBack(whole)
    const itself = target.node === node
    // Whoever sends us to where we were knows something that its connection does not.
    if (itself && !isNews) this.survey.request('moved')
    gate.notBefore = Math.max(gate.notBefore, this.clock.now + this.pause(hops, itself))
    this.ways.openIfDue(gate, this.clock.now)
    this.clock.wake()
    return 'taken'
  }

  private pause(hops: number, itself: boolean): number {
    const more = hops <= AT_ONCE && !itself ? 0 : Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** Math.min(10, hops - 1))
    return Math.max(this.settings.movedDelayMs, more)
  }

  /** The keys are on their way, or nobody has the slot: its commands wait, those for other slots do not. */
  private wait(node: Node, command: Command, hindrance: Hindrance, error: ReplyError): Verdict {
    if (hindrance === 'tryagain') return this.waitForSlot(node, command, this.settings.tryAgainDelayMs)
    this.survey.request('lost')
    if (hindrance === 'down' && error.message.includes('slot')) {
      return this.waitForSlot(node, command, this.settings.clusterDownDelayMs)
    }
    return this.settings.clusterDownDelayMs
  }

  private waitForSlot(node: Node, command: Command, milliseconds: number): Verdict {
    const slot = slotOfUnit([command]) ?? slotOfUnit(command.batch?.members ?? [])
    if (slot === undefined) return milliseconds
    const whole = node.restart(command)
    const gate = this.ways.gateOf(slot, node)
    gate.giveBack(whole)
    gate.notBefore = Math.max(gate.notBefore, this.clock.now + milliseconds)
    this.clock.wake()
    return 'taken'
  }

  /** A redirect to nowhere. The server says that it did not run the command, and who can is to be found out. */
  private onNonsense(node: Node, command: Command, error: ReplyError): Verdict {
    const hops = this.hop(command)
    if (hops > this.settings.maxRedirections) return this.giveUp(node, command, hops - 1, error)
    this.survey.request('lost')
    return this.waitForSlot(node, command, Math.max(PAUSE_MS, this.pause(hops, true)))
  }

  private hop(command: Command): number {
    const hops = (this.hops.get(command) ?? 0) + 1
    this.hops.set(command, hops)
    return hops
  }

  private giveUp(node: Node, command: Command, redirects: number, error: ReplyError): Verdict {
    error.concerns(command)
    node.fail(command, new RedirectionError(redirects, error, { attempts: command.attempts }))
    return 'taken'
  }
}

/** What decides about a command: of a transaction that was discarded, why its first command was not queued. */
function decisive(command: Command, error: ReplyError): ReplyError | undefined {
  if ((command.flags & TRANSACTION) === 0 || error.kind !== 'EXECABORT') return error
  const { queueErrors = [] } = command.batch!
  const all = queueErrors.map((one) => (one instanceof ReplyError && REDIRECTING.has(one.kind) ? one : undefined))
  return all.includes(undefined) ? undefined : all[0]
}

/** The server became a replica, so that nobody waits on it any more. CLIENT UNBLOCK is somebody's wish, and other words. */
const UNBLOCKED = /^UNBLOCKED force unblock from blocking operation, instance state changed/

const REDIRECTING = new Set(['MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN', 'LOADING'])
